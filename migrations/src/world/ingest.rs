//! A world from its files into a store.

use std::sync::Arc;

use entitygraph_schema::{Catalog, EntityId, Link};
use entitygraph_store::Store;
use tokio::{runtime::Handle, sync::mpsc};

use super::{
    collect::{Collected, unknown_format, world},
    entities::{Builder, Tree},
    files::{Placed, WorldFiles},
    format,
    index::Index,
    names::{check_name, id_of},
    order::Order,
    scalar::Reference,
    templates::{self, Found},
    values::Fault,
};
use crate::load::{Item, LoadError, LoadOptions, Loader, Missing, Problem, Progress, Report, Sourced};

/// Loads the files into the store.
///
/// What cannot be read or does not fit is in the report, with file, line and field; everything else goes in. Running it
/// again changes only what the files say otherwise than the store. Dropping the future stops the load where it is.
///
/// # Errors
///
/// Only when the store fails.
pub async fn ingest(
    store: Arc<dyn Store>,
    files: WorldFiles,
    options: LoadOptions,
    progress: Arc<dyn Progress>,
) -> Result<Report, LoadError> {
    let mut loader = Loader::open(store.clone(), options, progress.clone()).await?;
    if !files.others.is_empty() {
        loader.not_used("files that are neither YAML nor JSON", files.others.len() as u64);
    }
    if files.hidden > 0 {
        loader.not_used("hidden files and folders", files.hidden);
    }
    progress.stage("reading");
    progress.total_bytes(files.bytes());
    let (files, collected) = blocking(|| {
        let progress = progress.clone();
        move || {
            let collected = Collected::read(&files, &*progress);
            (files, collected)
        }
    })
    .await?;
    let catalog = publish(&mut loader, &collected).await?;
    progress.stage("entities");
    if collected.kept.is_none() {
        progress.total_bytes(files.bytes() * 2);
    }
    let (send, items) = mpsc::channel(4);
    let built = blocking(|| {
        let pass =
            SecondPass { store, catalog, collected, progress, items: Items { send, open: Vec::new() } };
        move || pass.run(&files)
    });
    let (drained, built) = tokio::join!(loader.drain(items), built);
    drained?;
    match built? {
        Ok(index) => {
            let catalog = loader.catalog();
            let mut report = loader.finish().await?;
            report.name(|id| index.key_of(id, &catalog));
            Ok(report)
        }
        Err(source) => Err(loader.fail(source)),
    }
}

async fn blocking<T: Send + 'static, F: FnOnce() -> T + Send + 'static>(
    make: impl FnOnce() -> F,
) -> Result<T, LoadError> {
    tokio::task::spawn_blocking(make()).await.map_err(|error| LoadError::Stopped(Some(error)))
}

/// Publishes component types and containers and reports what was wrong with the files so far.
async fn publish(loader: &mut Loader, collected: &Collected) -> Result<Arc<Catalog>, LoadError> {
    let mut problems = collected.problems.clone();
    let empty = Catalog::default();
    // Parts of instances are not known yet: only keys that are written down can be meant.
    let resolve = |world: Option<&str>, reference: &Reference| match (reference, world) {
        (Reference::Id(id), _) => Ok(*id),
        (Reference::Key(key), None) => {
            Err(format!("`{key}` is a key, but the document does not say its `world`").into())
        }
        (Reference::Key(key), Some(world)) => collected.index.find(world, key, &empty).ok_or_else(|| {
            let hint = collected.index.hint(world, key);
            let message = format!("there is no entity `{key}` in the files{hint}");
            Fault { message, because: Some(Missing::Entity(id_of(world, key))) }
        }),
    };
    let components = templates::components(&collected.components, &resolve, &mut problems);
    let catalog = loader.components(components).await?;
    let is_published = |name: &str| catalog.container_by_name(name).is_some();
    let found = &collected.containers;
    let containers = templates::containers(found, &catalog.registry, &resolve, &is_published, &mut problems);
    problems.into_iter().for_each(|problem| loader.problem(problem));
    loader.containers(containers).await
}

/// Builds entities and links on a thread of its own.
struct SecondPass {
    store: Arc<dyn Store>,
    catalog: Arc<Catalog>,
    collected: Collected,
    progress: Arc<dyn Progress>,
    items: Items,
}

impl SecondPass {
    /// Answers with the keys, by which problems are named in the end.
    fn run(mut self, files: &WorldFiles) -> entitygraph_store::Result<Index> {
        let failed = std::cell::RefCell::new(None);
        let asked = std::cell::RefCell::new(std::collections::HashMap::new());
        let in_store = |id: EntityId| {
            *asked.borrow_mut().entry(id).or_insert_with(|| {
                match Handle::current().block_on(self.store.entities(&[id])) {
                    Ok(found) => found.value.first().is_some_and(Option::is_some),
                    Err(error) => {
                        failed.borrow_mut().get_or_insert(error);
                        false
                    }
                }
            })
        };
        let builder = Builder {
            catalog: self.catalog.clone(),
            index: &self.collected.index,
            in_store: &in_store,
            problems: Default::default(),
            left_out: Default::default(),
        };
        let mut order = Order::default();
        let items = &mut self.items;
        let mut take = |placed: &Placed| {
            if let Some(problem) = bad_world(placed) {
                builder.problems.borrow_mut().push(problem);
            }
            for (place, entity) in placed.entities() {
                if let Some(tree) = builder.tree(world(placed), place, entity) {
                    order.offer(tree, &in_store, &mut |tree: Tree| items.entities(tree));
                }
            }
            builder.problems.take().into_iter().for_each(|problem| items.push(Item::Problem(problem)));
            failed.borrow().is_none() && !items.closed()
        };
        match &self.collected.kept {
            Some(kept) => drop(kept.iter().all(&mut take)),
            None => files.read(&*self.progress, |read| match read {
                Ok(placed) if unknown_format(&placed).is_none() => take(&placed),
                _ => true, // reported by the first pass
            }),
        }
        let waiting = order.finish(|problem| items.push(Item::Problem(problem)));
        for link in &self.collected.links {
            items.push(match build_link(&builder, link) {
                Ok(link) => Item::Link(link),
                Err(problem) => Item::Problem(problem),
            });
        }
        let left_out = waiting + builder.left_out.take();
        if left_out > 0 {
            items.push(Item::NotUsed("entities with a problem, or below one".into(), left_out));
        }
        items.flush();
        failed.take().map_or(Ok(self.collected.index), Err)
    }
}

fn bad_world(placed: &Placed) -> Option<Problem> {
    let world = placed.document.world.as_ref()?;
    let message = check_name("the name of the world", &world.value).err()?;
    Some(placed.place(String::from("world"), world.mark).problem(world.mark, "", message))
}

fn build_link(builder: &Builder<'_>, found: &Found<format::Link>) -> Result<Sourced<Link>, Problem> {
    let Found { place, value, world } = found;
    let mut ends = [EntityId::FIRST_NAMED; 2];
    for (index, (end, reference)) in ends.iter_mut().zip(&value.between.value).enumerate() {
        *end = builder
            .resolve(world.as_deref(), reference)
            .map_err(|fault| place.fault(value.between.mark, &format!("between[{index}]"), fault))?;
    }
    let link = Link::new(place.text("kind", &value.kind)?, ends[0], ends[1], value.cost.value);
    link.check_ends().map_err(|refusal| place.problem(value.between.mark, "between", refusal))?;
    link.check_cost().map_err(|refusal| place.problem(value.cost.mark, "cost", refusal))?;
    Ok(Sourced::new(place.origin(), link))
}

/// Hands items to the loader, many at a time.
struct Items {
    send: mpsc::Sender<Vec<Item>>,
    open: Vec<Item>,
}

impl Items {
    const CHUNK: usize = 500;

    fn entities(&mut self, tree: Tree) {
        tree.entities.into_iter().for_each(|entity| self.push(Item::Entity(Box::new(entity))));
    }

    fn push(&mut self, item: Item) {
        self.open.push(item);
        if self.open.len() >= Self::CHUNK {
            self.flush();
        }
    }

    fn flush(&mut self) {
        // A loader that is gone has failed and says so itself.
        drop(self.send.blocking_send(std::mem::take(&mut self.open)));
    }

    fn closed(&self) -> bool {
        self.send.is_closed()
    }
}

/// The id of an entity of the world by its key, as `ingest` makes it.
pub fn entity_id(world: &str, key: &str) -> EntityId {
    id_of(world, key)
}
