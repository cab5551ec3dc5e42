//! Component types and containers: published before the entities that name them.

use std::sync::Arc;

use entitygraph_schema::{
    Catalog, ComponentDraft, ContainerDraft, Operation, Refusal, Registry, Transaction,
};
use entitygraph_store::Error;

use super::{
    item::{Missing, Problem, Sourced},
    loader::{LoadError, Loader},
    report::{Report, Tally},
};

impl Loader {
    /// Operations of one transaction that publishes component types or containers.
    const PUBLISH_CHUNK: usize = 256;

    /// Publishes component types; entities and containers name their variables by the numbers in the catalog returned.
    /// Variables that a type has in the store and the draft leaves out are kept. Refused drafts become problems.
    pub async fn components(
        &mut self,
        drafts: Vec<Sourced<ComponentDraft>>,
    ) -> Result<Arc<Catalog>, LoadError> {
        let mut catalog = Catalog::clone(&self.catalog);
        let mut tally = Tally::default();
        let mut accepted = Vec::new();
        for Sourced { origin, value } in drafts {
            let draft = with_kept_variables(&catalog.registry, value);
            let known = catalog.registry.by_name(draft.name.as_str()).map(|known| known.version);
            let published =
                refuse_retired(&catalog.registry, &draft).and_then(|()| catalog.registry.publish(&draft));
            match published {
                Ok(published) => {
                    if let Some(counter) = count(&mut tally, known, published.version) {
                        let operation = Sourced::new(origin, Operation::PublishComponent(draft));
                        accepted.push(Publication { operation, counter });
                    }
                    catalog.registry.insert(published);
                }
                Err(refusal) => {
                    tally.refused += 1;
                    let missing = Missing::Component(draft.name.as_str().into());
                    self.problem(Problem::new(origin, refusal).losing([missing]));
                }
            }
        }
        self.publish(catalog, accepted, &mut tally).await?;
        self.report.components.add(tally);
        Ok(self.catalog())
    }

    /// Publishes containers, those that others nest first. Refused drafts become problems.
    pub async fn containers(
        &mut self,
        drafts: Vec<Sourced<ContainerDraft>>,
    ) -> Result<Arc<Catalog>, LoadError> {
        let mut catalog = Catalog::clone(&self.catalog);
        let mut tally = Tally::default();
        let mut accepted = Vec::new();
        for Sourced { origin, value: draft } in drafts {
            let known = catalog.container_by_name(draft.name.as_str()).map(|known| known.version);
            match catalog.publish(&draft) {
                Ok(published) => {
                    if let Some(counter) = count(&mut tally, known, published.version) {
                        let operation = Sourced::new(origin, Operation::PublishContainer(draft));
                        accepted.push(Publication { operation, counter });
                    }
                    catalog.insert(published);
                }
                Err(refusal) => {
                    tally.refused += 1;
                    let missing = Missing::Container(draft.name.as_str().into());
                    self.problem(Problem::new(origin, refusal).losing([missing]));
                }
            }
        }
        self.publish(catalog, accepted, &mut tally).await?;
        self.report.containers.add(tally);
        Ok(self.catalog())
    }

    /// Writes publications and takes the catalog that comes of them.
    async fn publish(
        &mut self,
        expected: Catalog,
        publications: Vec<Publication>,
        tally: &mut Tally,
    ) -> Result<(), LoadError> {
        if self.options.dry_run {
            self.catalog = Arc::new(expected);
            return Ok(());
        }
        for chunk in publications.chunks(Self::PUBLISH_CHUNK) {
            let all = chunk.iter().map(|publication| publication.operation.value.clone()).collect();
            if self.publish_once(all).await?.is_none() {
                continue;
            }
            // Someone else published meanwhile, or this side's own check let something through: one by one.
            for Publication { operation: Sourced { origin, value }, counter } in chunk {
                if let Some(refusal) = self.publish_once(vec![value.clone()]).await? {
                    tally.refused += 1;
                    *counter(tally) -= 1;
                    self.problem(Problem::new(origin.clone(), refusal));
                }
            }
        }
        self.catalog = self.store.catalog();
        Ok(())
    }

    async fn publish_once(&mut self, operations: Vec<Operation>) -> Result<Option<Refusal>, LoadError> {
        match self.store.commit(Transaction::of(operations)).await {
            Ok(_) => Ok(None),
            Err(Error::Refused(refusal)) => Ok(Some(refusal)),
            Err(source) => {
                let report = Box::new(self.merged(Report::default()));
                Err(LoadError::Store { report, source })
            }
        }
    }
}

/// Something to publish, and where it was counted before the store agreed.
struct Publication {
    operation: Sourced<Operation>,
    counter: Counter,
}

type Counter = fn(&mut Tally) -> &mut u64;

/// Counts a publication; says where, if it changes anything.
fn count<V: PartialEq>(tally: &mut Tally, known: Option<V>, now: V) -> Option<Counter> {
    let counter: Counter = match known {
        None => |tally| &mut tally.created,
        Some(known) if known != now => |tally| &mut tally.updated,
        Some(_) => {
            tally.unchanged += 1;
            return None;
        }
    };
    *counter(tally) += 1;
    Some(counter)
}

/// Refuses to bring back what an operator retired, because a file still lists it.
fn refuse_retired(registry: &Registry, draft: &ComponentDraft) -> Result<(), Refusal> {
    let Some(known) = registry.by_name(draft.name.as_str()) else { return Ok(()) };
    match draft.variables.iter().find(|variable| known.retired_by_name(variable.name.as_str()).is_some()) {
        Some(variable) => {
            let reason = format!(
                "`{}.{}` was retired: take it out of the file, or bring it back by publishing the type over GraphQL",
                draft.name, variable.name
            );
            Err(Refusal::Invalid { what: "the variable", reason })
        }
        None => Ok(()),
    }
}

/// The draft with the variables that the type has in the store and the draft does not speak of.
fn with_kept_variables(registry: &Registry, mut draft: ComponentDraft) -> ComponentDraft {
    if let Some(known) = registry.by_name(draft.name.as_str()) {
        for variable in &known.variables {
            let name = &variable.draft.name;
            let spoken_of = draft.variables.iter().any(|given| given.name == *name)
                || draft.renamed.values().any(|old| old == name)
                || draft.retire.contains(name);
            if !spoken_of {
                draft.variables.push(variable.draft.clone());
            }
        }
    }
    draft
}
