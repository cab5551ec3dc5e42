//! Two worlds, record by record: what one has and the other has not, and which fields differ.
//!
//! Both are read in the order in which every store lists its records, side by side, so that memory does not grow with the
//! worlds.

use std::{collections::BTreeMap, fmt, sync::Arc};

use entitygraph_schema::{
    Entity, EntityId, LinkKind, Patch,
    query::{PageRequest, Record, RecordSort},
};
use tokio::sync::mpsc;

use crate::{
    backup::{BackupFile, fold::Fold},
    load::Progress,
    moving::{Result, blocking},
    source::{Cataloged, Source},
};

/// Records of one page.
const PAGE: usize = 4_000;

/// Most differences that are kept; the others are only counted.
const KEPT: usize = 100;

/// A world to be compared.
#[derive(Clone)]
pub enum Side {
    /// As a store holds it; one that is written to meanwhile differs from itself.
    Store(Arc<dyn Source>),
    /// As a backup holds it at its last moment, with the effects of all its commits.
    Backup(BackupFile, Arc<Fold>),
}

impl Side {
    /// The last moment of a backup.
    pub async fn backup(backup: BackupFile) -> Result<Self> {
        let file = backup.clone();
        let fold = blocking(move || file.fold(file.end.cursor)).await?;
        Ok(Self::Backup(backup, Arc::new(fold)))
    }

    /// For people.
    pub fn location(&self) -> String {
        match self {
            Self::Store(store) => store.location(),
            Self::Backup(backup, _) => backup.path.display().to_string(),
        }
    }

    /// How many entities it has, as far as that is known beforehand.
    async fn total(&self) -> Result<Option<u64>> {
        match self {
            Self::Store(store) => store.total().await,
            Self::Backup(backup, _) => Ok(Some(backup.base.entities)),
        }
    }

    fn records(&self, sort: RecordSort) -> Rows {
        let (pages, rows) = mpsc::channel(2);
        match self {
            Self::Store(store) => drop(tokio::spawn(list(store.clone(), sort, pages))),
            Self::Backup(backup, fold) => {
                let (backup, fold) = (backup.clone(), fold.clone());
                tokio::task::spawn_blocking(move || read(&backup, &fold, sort, &pages));
            }
        }
        Rows { pages: rows, page: Vec::new().into_iter() }
    }

    /// Component types and containers by sort and number, as text.
    async fn catalog(&self) -> Result<BTreeMap<String, (u32, String)>> {
        let Cataloged { components, containers } = match self {
            Self::Store(store) => store.catalog().await?,
            Self::Backup(backup, fold) => backup.catalog(fold)?,
        };
        let components = components.iter().map(|component| {
            (
                format!("component type {} `{}`", component.id, component.name),
                (component.version, format!("{component:?}")),
            )
        });
        let containers = containers.iter().map(|container| {
            let name = format!("container {} `{}`", container.id, container.draft.name);
            (name, (container.version.number(), format!("{container:?}")))
        });
        Ok(components.chain(containers).collect())
    }
}

async fn list(store: Arc<dyn Source>, sort: RecordSort, pages: mpsc::Sender<Result<Vec<Record>>>) {
    let mut request = PageRequest::first(PAGE);
    loop {
        let page = match store.records(sort, request.clone()).await {
            Ok(page) => page,
            Err(error) => return drop(pages.send(Err(error)).await),
        };
        let goes_on = page.next.is_some();
        request.after = page.next;
        if pages.send(Ok(page.records)).await.is_err() || !goes_on {
            return;
        }
    }
}

fn read(backup: &BackupFile, fold: &Fold, sort: RecordSort, pages: &mpsc::Sender<Result<Vec<Record>>>) {
    let mut records = match backup.records(sort, fold) {
        Ok(records) => records.peekable(),
        Err(error) => return drop(pages.blocking_send(Err(error))),
    };
    while records.peek().is_some() {
        let page: Result<Vec<Record>> = records.by_ref().take(PAGE).collect();
        let failed = page.is_err();
        if pages.blocking_send(page).is_err() || failed {
            return;
        }
    }
}

/// Records one by one, read ahead by pages.
struct Rows {
    pages: mpsc::Receiver<Result<Vec<Record>>>,
    page: std::vec::IntoIter<Record>,
}

impl Rows {
    async fn next(&mut self) -> Result<Option<Record>> {
        loop {
            if let Some(record) = self.page.next() {
                return Ok(Some(record));
            }
            match self.pages.recv().await {
                Some(page) => self.page = page?.into_iter(),
                None => return Ok(None),
            }
        }
    }
}

/// Something that is not the same on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What.
    pub what: String,
    /// How.
    pub how: How,
}

/// How something differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// Only the first has it.
    OnlyFirst,
    /// Only the second has it.
    OnlySecond,
    /// In these fields, each with both values.
    Fields(Vec<String>),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.how {
            How::OnlyFirst => write!(f, "{} is only in the first", self.what),
            How::OnlySecond => write!(f, "{} is only in the second", self.what),
            How::Fields(fields) => write!(f, "{} differs: {}", self.what, fields.join(", ")),
        }
    }
}

/// What came of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// Entities of the first.
    pub entities: u64,
    /// Buried ids of the first.
    pub buried: u64,
    /// Links of the first.
    pub links: u64,
    /// How many differences there are.
    pub count: u64,
    /// The first of them.
    pub differences: Vec<Difference>,
}

impl Verdict {
    fn add(&mut self, what: String, how: How) {
        self.count += 1;
        if self.differences.len() < KEPT {
            self.differences.push(Difference { what, how });
        }
    }
}

/// Compares everything: component types, containers, entities to the last bit, buried ids, links.
pub async fn verify(first: &Side, second: &Side, progress: &dyn Progress) -> Result<Verdict> {
    let mut verdict = Verdict::default();
    catalog(&first.catalog().await?, &second.catalog().await?, &mut verdict);
    progress.stage("comparing");
    let total = first.total().await?;
    for (sort, what, of) in [
        (RecordSort::Entity, "entities", total),
        (RecordSort::Buried, "buried ids", None),
        (RecordSort::Link, "links", None),
    ] {
        progress.counts(what, of);
        let (mut ones, mut others) = (first.records(sort), second.records(sort));
        let (mut one, mut other) = (ones.next().await?, others.next().await?);
        let mut seen = 0;
        while one.is_some() || other.is_some() {
            let order = match (&one, &other) {
                (Some(one), Some(other)) => key(one).cmp(&key(other)),
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, _) => std::cmp::Ordering::Greater,
            };
            match (&one, &other) {
                (Some(one), _) if order.is_lt() => verdict.add(name(one), How::OnlyFirst),
                (_, Some(other)) if order.is_gt() => verdict.add(name(other), How::OnlySecond),
                (Some(one), Some(other)) => {
                    let fields = differing(one, other);
                    if !fields.is_empty() {
                        verdict.add(name(one), How::Fields(fields));
                    }
                }
                _ => {}
            }
            if order.is_le() {
                seen += 1;
                one = ones.next().await?;
                progress.items(1);
            }
            if order.is_ge() {
                other = others.next().await?;
            }
        }
        match sort {
            RecordSort::Entity => verdict.entities = seen,
            RecordSort::Buried => verdict.buried = seen,
            RecordSort::Link => verdict.links = seen,
        }
    }
    progress.finish();
    Ok(verdict)
}

fn catalog(
    first: &BTreeMap<String, (u32, String)>,
    second: &BTreeMap<String, (u32, String)>,
    verdict: &mut Verdict,
) {
    for (name, (version, all)) in first {
        match second.get(name) {
            None => verdict.add(name.clone(), How::OnlyFirst),
            Some((other, _)) if other != version => {
                verdict.add(name.clone(), How::Fields(vec![format!("version {version} | {other}")]));
            }
            Some((_, other)) if other != all => {
                verdict.add(name.clone(), How::Fields(vec![format!("{all} | {other}")]));
            }
            Some(_) => {}
        }
    }
    for name in second.keys().filter(|name| !first.contains_key(*name)) {
        verdict.add(name.clone(), How::OnlySecond);
    }
}

/// The place of a record in its list.
fn key(record: &Record) -> (EntityId, Option<(&LinkKind, EntityId)>) {
    match record {
        Record::Entity(entity) => (entity.id, None),
        Record::Buried(id) => (*id, None),
        Record::Link(link) => (link.a, Some((&link.kind, link.b))),
    }
}

fn name(record: &Record) -> String {
    match record {
        Record::Entity(entity) => format!("entity {}", entity.id),
        Record::Buried(id) => format!("buried id {id}"),
        Record::Link(link) => format!("link `{}` {}-{}", link.kind, link.a, link.b),
    }
}

fn differing(one: &Record, other: &Record) -> Vec<String> {
    match (one, other) {
        (Record::Entity(one), Record::Entity(other)) if !one.same_as(other) => fields(one, other),
        (Record::Link(one), Record::Link(other)) if one.cost.to_bits() != other.cost.to_bits() => {
            vec![format!("cost {} | {}", one.cost, other.cost)]
        }
        _ => Vec::new(),
    }
}

/// Fields of two entities that differ, each with both values.
fn fields(one: &Entity, other: &Entity) -> Vec<String> {
    let Patch { name, parent, pose, radius, zone, root, owner, layer, ordinal, labels, components } =
        Patch::between(one, other);
    let mut fields = Vec::new();
    let mut field = |differs: bool, name: &str, one: &dyn fmt::Debug, other: &dyn fmt::Debug| {
        if differs {
            fields.push(format!("{name} {one:?} | {other:?}"));
        }
    };
    field(one.revision != other.revision, "revision", &one.revision, &other.revision);
    field(one.epoch != other.epoch, "epoch", &one.epoch, &other.epoch);
    field(one.kind != other.kind, "kind", &one.kind, &other.kind);
    field(one.source != other.source, "source", &one.source, &other.source);
    field(name.is_some(), "name", &one.name, &other.name);
    let (here, there) = (&one.placement, &other.placement);
    let parents = here.parent != there.parent;
    field(parents, "parent", &here.parent, &there.parent);
    field(parent.is_some() && here.port != there.port, "port", &here.port, &there.port);
    field(pose.is_some(), "pose", &here.pose, &there.pose);
    field(radius.is_some(), "radius", &one.radius, &other.radius);
    field(zone.is_some(), "zone", &one.zone, &other.zone);
    field(root.is_some(), "root", &one.root, &other.root);
    field(owner.is_some(), "owner", &one.owner, &other.owner);
    field(layer.is_some(), "layer", &one.layer, &other.layer);
    field(ordinal.is_some(), "ordinal", &one.ordinal, &other.ordinal);
    field(!labels.is_empty(), "labels", &one.labels, &other.labels);
    for component in components.keys() {
        let values = |entity: &Entity| entity.components.0.get(component).cloned();
        field(true, &format!("component {component}"), &values(one), &values(other));
    }
    fields
}
