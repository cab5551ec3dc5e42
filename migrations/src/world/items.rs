//! Lists of which an item that cannot be read costs itself only.
//!
//! Serde ends at the first mistake. So [`reading`] reads a document once more for each item that has one, and passes over the
//! items found so far. A document without mistakes, which is nearly every one, is read once.

use std::{
    borrow::Cow,
    cell::RefCell,
    fmt,
    iter::{Enumerate, FilterMap},
    marker::PhantomData,
    vec,
};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{IgnoredAny, SeqAccess, Visitor},
};

use super::marked::{Mark, Marked};

/// A list. An item that could not be read leaves its place empty, so that the others keep their numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Items<T>(Vec<Option<Boxed<T>>>);

/// Items hold items: in a box they take little of the stack on the way down.
type Boxed<T> = Marked<Box<T>>;

impl<T> Items<T> {
    /// Whether nothing was written into it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What could be read, each with its number in the list.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        self.marked().map(|(index, _, item)| (index, item))
    }

    /// The same, and where it begins.
    pub fn marked(&self) -> impl Iterator<Item = (usize, Mark, &T)> {
        let items = self.0.iter().enumerate();
        items.filter_map(|(index, item)| item.as_ref().map(|item| (index, item.mark, &*item.value)))
    }
}

impl<T> FromIterator<T> for Items<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self(items.into_iter().map(|item| Some(Marked::unmarked(Box::new(item)))).collect())
    }
}

impl<T> IntoIterator for Items<T> {
    type Item = (usize, T);
    type IntoIter = FilterMap<
        Enumerate<vec::IntoIter<Option<Boxed<T>>>>,
        fn((usize, Option<Boxed<T>>)) -> Option<(usize, T)>,
    >;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter().enumerate().filter_map(|(index, item)| Some((index, *item?.value)))
    }
}

impl<T> Default for Items<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// How often a document is read again; bounds the time that one full of mistakes takes.
pub(super) const UNREADABLE_MAX: usize = 100;

/// Calls `read` until nothing is wrong but what was passed over; answers with what was wrong with that, and the rest or why
/// nothing can be read.
pub(super) fn reading<T, E>(mut read: impl FnMut() -> Result<T, E>) -> (Vec<E>, Result<T, E>) {
    let (mut unreadable, mut errors) = (Vec::new(), Vec::new());
    loop {
        PASS.set(Pass { unreadable: std::mem::take(&mut unreadable), ..Pass::default() });
        let result = read();
        let pass = PASS.take();
        unreadable = pass.unreadable;
        match (result, pass.failed) {
            // One that cannot even be passed over: the text around it is broken.
            (Err(error), Some(item)) if !unreadable.contains(&item) && errors.len() < UNREADABLE_MAX => {
                // Those of higher numbers are in it, and nobody counts them from now on.
                unreadable.retain(|known| *known < item);
                unreadable.push(item);
                errors.push(error);
            }
            (result, _) => return (errors, result),
        }
    }
}

/// Items are numbered as they begin, those inside others too; what is inside one that is passed over has no number.
#[derive(Default)]
struct Pass {
    begun: usize,
    unreadable: Vec<usize>,
    /// The innermost one with a mistake.
    failed: Option<usize>,
}

thread_local! {
    // Serde hands nothing of ours down to a `Deserialize`; a document is read by one thread.
    static PASS: RefCell<Pass> = RefCell::default();
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Items<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for List<T> {
            type Value = Items<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Items<T>, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element::<Item<T>>()? {
                    items.push(item.0);
                }
                Ok(Items(items))
            }
        }
        deserializer.deserialize_seq(List(PhantomData))
    }
}

struct Item<T>(Option<Boxed<T>>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Item<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (number, pass_over) = PASS.with_borrow_mut(|pass| {
            pass.begun += 1;
            (pass.begun, pass.unreadable.contains(&pass.begun))
        });
        let item = if pass_over {
            IgnoredAny::deserialize(deserializer).map(|_| None)
        } else {
            Marked::deserialize(deserializer).map(Some)
        };
        item.map(Self).inspect_err(|_| {
            PASS.with_borrow_mut(|pass| pass.failed = pass.failed.or(Some(number)));
        })
    }
}

impl<T: Serialize> Serialize for Items<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(|(_, item)| item))
    }
}

impl<T: JsonSchema> JsonSchema for Items<T> {
    fn schema_name() -> Cow<'static, str> {
        Vec::<T>::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        Vec::<T>::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Vec::<T>::json_schema(generator)
    }

    fn inline_schema() -> bool {
        Vec::<T>::inline_schema()
    }
}
