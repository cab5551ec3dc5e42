//! Variables: a column for each class, so that whoever makes bytes for players is given the public one and no other (AC 2.3.4).

use entitygraph_schema::{
    Components, Visibility,
    codec::CodecError,
    wire::{
        state::Lane,
        variable::{Digits, Entries, put_cleared, put_value},
    },
};

use super::{Index, block::Block};
use crate::catalog::{Sight, StreamCatalog};

/// The variables of one class; what was never reported takes one pointer.
#[derive(Debug, Default)]
pub struct Column {
    blocks: Vec<Option<Box<Block>>>,
}

impl Column {
    /// What is held of an entity.
    pub fn get(&self, index: Index) -> Option<&Block> {
        self.blocks.get(index)?.as_deref()
    }

    /// Moment of the newest change of an entity on a lane.
    pub fn newest(&self, index: Index, lane: Lane) -> u64 {
        self.get(index).map_or(0, |block| block.newest(lane))
    }

    fn block(&mut self, index: Index) -> &mut Block {
        if self.blocks.len() <= index {
            self.blocks.resize_with(index + 1, || None);
        }
        self.blocks[index].get_or_insert_default()
    }
}

/// All columns: public, owner, server.
#[derive(Debug, Default)]
pub struct Values {
    columns: [Column; 3],
    exact: Vec<u8>,
    rounded: Vec<u8>,
    groups: Vec<(Visibility, u16)>,
}

impl Values {
    /// The columns that somebody may be told of.
    pub fn seen(&self, sight: Sight) -> &[Column] {
        match sight {
            Sight::Public => &self.columns[..1],
            Sight::Owner => &self.columns[..2],
            Sight::Server => &self.columns,
        }
    }

    /// The column of what only owners and servers are told.
    pub fn owners(&self) -> &[Column] {
        &self.columns[1..2]
    }

    /// Refuses entries that are not to be taken: unknown variables, ill-typed values.
    ///
    /// # Errors
    /// The first of them, and why.
    pub fn judge(bytes: &[u8], catalog: &StreamCatalog) -> Result<(), CodecError> {
        Entries::new(bytes, catalog.variables(), Digits::Exact).try_for_each(|entry| entry.map(drop))
    }

    /// Takes entries that were judged. Says whether any that only the owner sees has changed.
    pub fn take(&mut self, index: Index, bytes: &[u8], moment: u64, catalog: &StreamCatalog) -> bool {
        let (mut owners, mut groups) = (false, std::mem::take(&mut self.groups));
        groups.clear();
        for entry in Entries::new(bytes, catalog.variables(), Digits::Exact) {
            let Ok(entry) = entry else { break };
            let Some(telling) = catalog.telling(entry.number) else { continue };
            self.exact.clear();
            self.rounded.clear();
            match &entry.value {
                None => {
                    put_cleared(entry.number, &mut self.exact);
                    put_cleared(entry.number, &mut self.rounded);
                }
                Some(value) => {
                    put_value(entry.number, value, None, &mut self.exact);
                    put_value(entry.number, value, entry.known.precision, &mut self.rounded);
                }
            }
            let block = self.columns[telling.class as usize].block(index);
            // Numbers are at most 65,535.
            if block.set(entry.number as u16, &self.exact, &self.rounded, catalog) {
                groups.push((telling.class, telling.group));
            }
        }
        for &(class, group) in &groups {
            self.columns[class as usize].block(index).changed(group, moment);
            owners |= class == Visibility::OwnerOnly;
        }
        self.groups = groups;
        owners
    }

    /// What changed later than `moment_min` counts as changed at `moment`.
    pub fn again(&mut self, index: Index, moment_min: u64, moment: u64) {
        for column in &mut self.columns {
            if let Some(Some(block)) = column.blocks.get_mut(index) {
                block.again(moment_min, moment);
            }
        }
    }

    /// Lays what was reported over the own values that somebody may see.
    pub fn lay_over(&self, index: Index, sight: Sight, own: &mut Components, catalog: &StreamCatalog) {
        for block in self.seen(sight).iter().filter_map(|column| column.get(index)) {
            for (_, bytes) in block.exact_after(0) {
                for entry in Entries::new(bytes, catalog.variables(), Digits::Exact).flatten() {
                    let values = own.0.entry(entry.known.component).or_default();
                    match entry.value {
                        Some(value) => drop(values.insert(entry.known.variable, value)),
                        None => drop(values.remove(&entry.known.variable)),
                    }
                }
            }
        }
    }
}

/// Moment of the newest change of an entity in these columns.
pub fn newest(columns: &[Column], index: Index, lane: Lane) -> u64 {
    columns.iter().map(|column| column.newest(index, lane)).max().unwrap_or(0)
}

/// Appends the rounded entries of what changed on a lane after a moment, by number.
pub fn put_rounded(columns: &[Column], index: Index, lane: Lane, after: u64, out: &mut Vec<u8>) {
    merged(columns.iter().filter_map(|column| Some(column.get(index)?.rounded_after(lane, after))), out);
}

/// Appends the exact entries of what changed after a moment, by number.
pub fn put_exact(columns: &[Column], index: Index, after: u64, out: &mut Vec<u8>) {
    merged(columns.iter().filter_map(|column| Some(column.get(index)?.exact_after(after))), out);
}

/// At most three lists that ascend, as one that does.
fn merged<'a>(lists: impl Iterator<Item = impl Iterator<Item = (u16, &'a [u8])>>, out: &mut Vec<u8>) {
    let mut heads: [_; 3] = [const { None }; 3];
    for (head, list) in heads.iter_mut().zip(lists) {
        *head = Some(list.peekable());
    }
    loop {
        let lowest = heads
            .iter_mut()
            .filter_map(|head| {
                let list = head.as_mut()?;
                let number = list.peek()?.0;
                Some((number, list))
            })
            .min_by_key(|(number, _)| *number);
        let Some((_, bytes)) = lowest.and_then(|(_, list)| list.next()) else { return };
        out.extend_from_slice(bytes);
    }
}
