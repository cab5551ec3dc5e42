//! Where a search goes on.

use entitygraph_schema::{
    ComponentId, ContainerId, Kind, Label, Refusal,
    query::{Facet, PageCursor},
};

use super::filter::{Filter, Lead};

/// A facet that is being looked up, and how far. A cursor names it with the property that leads, so that counts and
/// containers that change between two pages change neither the index nor the order it is read in.
pub(super) struct Place {
    pub facet: Facet,
    /// The store's own cursor in the list of the facet; none begins it.
    pub after: Option<PageCursor>,
}

impl Place {
    /// A byte for what leads, the facet (a byte for its sort, one for its length, its value), then the store's cursor.
    pub fn encode(&self, lead: Lead) -> PageCursor {
        let place = Lead::ALL.iter().position(|known| *known == lead).unwrap_or_default();
        let (sort, value) = match &self.facet {
            Facet::Kind(kind) => (1, kind.as_str().as_bytes().to_vec()),
            Facet::Container(id) => (2, id.get().to_be_bytes().to_vec()),
            Facet::Component(id) => (3, id.get().to_be_bytes().to_vec()),
            Facet::Label(label) => (4, label.as_str().as_bytes().to_vec()),
        };
        let mut bytes = vec![place as u8, sort, value.len() as u8]; // names are at most 64 bytes
        bytes.extend(value);
        bytes.extend(self.after.iter().flat_map(|cursor| cursor.0.iter().copied()));
        PageCursor(bytes)
    }

    /// Reads a cursor; one of another search is refused, here or by the store.
    pub fn decode(cursor: &PageCursor, filter: &Filter) -> Result<(Lead, Self), Refusal> {
        let parse = || {
            let (&[lead, sort, length], rest) = cursor.0.split_first_chunk::<3>()?;
            let lead = *Lead::ALL.get(usize::from(lead))?;
            let (value, after) = rest.split_at_checked(usize::from(length))?;
            let facet = facet(sort, value)?;
            let after = (!after.is_empty()).then(|| PageCursor(after.to_vec()));
            leads(filter, lead, &facet).then_some((lead, Self { facet, after }))
        };
        parse().ok_or(Refusal::BadPageCursor)
    }
}

fn facet(sort: u8, value: &[u8]) -> Option<Facet> {
    let number = || Some(u32::from_be_bytes(value.try_into().ok()?));
    let text = || std::str::from_utf8(value).ok();
    Some(match sort {
        1 => Facet::Kind(Kind::new(text()?).ok()?),
        2 => Facet::Container(ContainerId::new(number()?)?),
        3 => Facet::Component(ComponentId::new(number()?)?),
        4 => Facet::Label(Label::new(text()?).ok()?),
        _ => return None,
    })
}

/// Whether a search by this filter can be at this facet. A container may have ceased to bring the component since.
fn leads(filter: &Filter, lead: Lead, facet: &Facet) -> bool {
    match (lead, facet) {
        (Lead::Kinds, Facet::Kind(kind)) => filter.kinds.contains(kind),
        (Lead::Containers, Facet::Container(container)) => filter.containers.contains(container),
        (Lead::Labels, Facet::Label(label)) => filter.labels.contains(label),
        (Lead::Components, Facet::Component(component)) => filter.components.contains(component),
        (Lead::Components, Facet::Container(_)) => filter.asks(Lead::Components),
        _ => false,
    }
}
