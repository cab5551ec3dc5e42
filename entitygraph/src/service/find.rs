//! Finding entities below a node by several properties at once.
//!
//! A store finds by one list of facets. Here the rarest of the asked properties is looked up and the others are checked
//! on what it brings, so a page may cost more than its rows; how much more is bounded ([`SCAN_ROWS`]), and a page that
//! reaches the bound is shorter than asked, with `more` set.

use std::{collections::BTreeSet, sync::Arc};

use entitygraph_schema::{
    Catalog, ComponentId, ContainerId, Entity, EntityId, Kind, Label, Refusal,
    query::{Facet, Page, PageCursor, PageRequest},
};

use super::{Graph, Result};

/// What is looked for. Lists are alternatives, the four of them must hold together; an empty one says nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// One of these kinds.
    pub kinds: BTreeSet<Kind>,
    /// An instance of one of these containers.
    pub containers: BTreeSet<ContainerId>,
    /// With one of these components, its own or from its container.
    pub components: BTreeSet<ComponentId>,
    /// With one of these labels.
    pub labels: BTreeSet<Label>,
}

/// Candidates that one page of results may look through.
const SCAN_ROWS: usize = 20_000;

/// Which property is looked up in the index; the others are checked on the rows.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Lead {
    Kinds,
    Containers,
    Components,
    Labels,
}

impl Lead {
    const ALL: [Self; 4] = [Self::Kinds, Self::Containers, Self::Components, Self::Labels];
}

/// A search as its page cursor repeats it, so that counts and containers that change between two pages change neither
/// the index nor the order it is read in.
struct Search {
    lead: Lead,
    /// Containers that bring one of the components and were below the node on the first page.
    bringing: Vec<ContainerId>,
    after: Option<PageCursor>,
}

impl Graph {
    /// Entities below a node (not itself) that the filter describes; without a node in the whole world. An empty filter
    /// is refused.
    pub async fn find_entities(
        &self,
        below: Option<EntityId>,
        filter: &Filter,
        page: PageRequest,
    ) -> Result<Page<Arc<Entity>>> {
        self.check_rows("rows in one page", page.first)?;
        let catalog = self.catalog();
        let mut search = match &page.after {
            Some(cursor) => Search::decode(cursor)?,
            None => self.plan_search(below, filter, &catalog).await?,
        };
        let any_of = search.facets(filter);
        if any_of.is_empty() {
            return Ok(Page { rows: Vec::new(), more: false });
        }
        let mut rows = Vec::new();
        let mut chunk = page.first;
        let mut scanned = 0;
        while scanned < SCAN_ROWS {
            let request = PageRequest { first: chunk, after: search.after.take() };
            let candidates = self.find(below, &any_of, request).await?;
            scanned += candidates.rows.len();
            let ids: Vec<_> = candidates.rows.iter().map(|(id, _)| *id).collect();
            let entities = self.entities(&ids).await?;
            for (entity, (_, cursor)) in entities.into_iter().zip(candidates.rows) {
                if rows.len() == page.first {
                    return Ok(Page { rows, more: true });
                }
                search.after = Some(cursor);
                if let Some(entity) = entity.filter(|entity| filter.describes(entity, &catalog)) {
                    rows.push((entity, search.encode()));
                }
            }
            if rows.len() == page.first || !candidates.more {
                return Ok(Page { rows, more: candidates.more });
            }
            // Few candidates match: look through more of them at once.
            chunk = (chunk * 4).min(self.config().limits.page_rows);
        }
        match rows.last_mut() {
            // The next page goes on behind the last candidate, not behind the last match.
            Some((_, cursor)) => *cursor = search.encode(),
            None => {
                let reason = format!(
                    "none of {scanned} candidates has all of it: ask below a smaller node, or for less"
                );
                return Err(Refusal::Invalid { what: "the search", reason }.into());
            }
        }
        Ok(Page { rows, more: true })
    }

    async fn plan_search(
        &self,
        below: Option<EntityId>,
        filter: &Filter,
        catalog: &Catalog,
    ) -> Result<Search> {
        let asked: Vec<_> = Lead::ALL.into_iter().filter(|lead| filter.asks(*lead)).collect();
        if asked.is_empty() {
            let reason =
                "name at least one kind, container, component or label; `descendants` lists everything"
                    .to_owned();
            return Err(Refusal::Invalid { what: "the search", reason }.into());
        }
        let mut search = Search { lead: asked[0], bringing: Vec::new(), after: None };
        if asked == [Lead::Kinds] || asked == [Lead::Containers] || asked == [Lead::Labels] {
            return Ok(search);
        }
        let counts = self.counts(below).await?;
        if filter.asks(Lead::Components) {
            let bringing = bringing(&filter.components, catalog);
            let present = counts.iter().filter_map(|(facet, _)| match facet {
                Facet::Container(container) => Some(*container),
                _ => None,
            });
            search.bringing = present.filter(|container| bringing.contains(container)).collect();
        }
        let cost = |lead: Lead| {
            let facets = Search { lead, bringing: search.bringing.clone(), after: None }.facets(filter);
            counts.iter().filter(|(facet, _)| facets.contains(facet)).map(|(_, count)| count).sum::<u64>()
        };
        search.lead = asked.into_iter().min_by_key(|lead| cost(*lead)).unwrap_or(search.lead);
        Ok(search)
    }
}

/// Containers whose instances may have one of the components without own values: by the container itself, or by the
/// overrides of a slot that holds one.
fn bringing(components: &BTreeSet<ComponentId>, catalog: &Catalog) -> BTreeSet<ContainerId> {
    let has = |brought: &entitygraph_schema::Components| brought.0.keys().any(|id| components.contains(id));
    let mut bringing = BTreeSet::new();
    for container in catalog.containers() {
        if has(&container.draft.components) {
            bringing.insert(container.id);
        }
        for child in container.draft.children.iter().filter(|child| has(&child.overrides)) {
            bringing.extend(catalog.container_by_name(child.container.as_str()).map(|target| target.id));
        }
    }
    bringing
}

impl Filter {
    fn asks(&self, lead: Lead) -> bool {
        match lead {
            Lead::Kinds => !self.kinds.is_empty(),
            Lead::Containers => !self.containers.is_empty(),
            Lead::Components => !self.components.is_empty(),
            Lead::Labels => !self.labels.is_empty(),
        }
    }

    /// Whether all that is asked holds for the entity.
    pub fn describes(&self, entity: &Entity, catalog: &Catalog) -> bool {
        let container = entity.source.as_ref().map(|source| source.container);
        (self.kinds.is_empty() || self.kinds.contains(&entity.kind))
            && (self.containers.is_empty() || container.is_some_and(|id| self.containers.contains(&id)))
            && (self.labels.is_empty() || entity.labels.iter().any(|label| self.labels.contains(label)))
            && (self.components.is_empty()
                || catalog.effective(entity).0.keys().any(|component| self.components.contains(component)))
    }
}

impl Search {
    fn facets(&self, filter: &Filter) -> Vec<Facet> {
        match self.lead {
            Lead::Kinds => filter.kinds.iter().cloned().map(Facet::Kind).collect(),
            Lead::Containers => filter.containers.iter().copied().map(Facet::Container).collect(),
            Lead::Labels => filter.labels.iter().cloned().map(Facet::Label).collect(),
            Lead::Components => {
                let own = filter.components.iter().copied().map(Facet::Component);
                own.chain(self.bringing.iter().copied().map(Facet::Container)).collect()
            }
        }
    }

    /// One byte for the lead, two for the number of containers, four for each, then the store's own cursor.
    fn encode(&self) -> PageCursor {
        let lead = Lead::ALL.iter().position(|lead| *lead == self.lead).unwrap_or_default();
        let mut bytes = vec![lead as u8];
        bytes.extend((self.bringing.len() as u16).to_be_bytes());
        bytes.extend(self.bringing.iter().flat_map(|container| container.get().to_be_bytes()));
        bytes.extend(self.after.iter().flat_map(|cursor| cursor.0.iter().copied()));
        PageCursor(bytes)
    }

    fn decode(cursor: &PageCursor) -> Result<Self, Refusal> {
        let parse = || {
            let (&lead, rest) = cursor.0.split_first()?;
            let (count, mut rest) = rest.split_first_chunk::<2>()?;
            let mut bringing = Vec::new();
            for _ in 0..u16::from_be_bytes(*count) {
                let (container, tail) = rest.split_first_chunk::<4>()?;
                bringing.push(ContainerId::new(u32::from_be_bytes(*container))?);
                rest = tail;
            }
            let lead = *Lead::ALL.get(usize::from(lead))?;
            Some(Self { lead, bringing, after: Some(PageCursor(rest.to_vec())) })
        };
        parse().ok_or(Refusal::BadPageCursor)
    }
}
