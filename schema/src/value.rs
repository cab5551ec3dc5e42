//! Values of variables.

use std::{fmt, sync::Arc};

use crate::{id::EntityId, space::SpaceError, space::finite};

/// What a variable may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ValueKind {
    /// True or false.
    Bool,
    /// Signed 64-bit integer.
    Int,
    /// Finite 64-bit float.
    Float,
    /// Text of at most [`Value::MAX_BYTES`].
    Text,
    /// Reference to an entity; it may be gone.
    Entity,
    /// Three finite floats.
    Vector,
    /// Opaque bytes.
    Bytes,
    /// List of integers.
    IntList,
    /// List of floats.
    FloatList,
    /// List of texts.
    TextList,
}

impl ValueKind {
    /// Every kind, in the order of the stored tags.
    pub const ALL: [Self; 10] = [
        Self::Bool,
        Self::Int,
        Self::Float,
        Self::Text,
        Self::Entity,
        Self::Vector,
        Self::Bytes,
        Self::IntList,
        Self::FloatList,
        Self::TextList,
    ];

    /// Name in the world format, GraphQL and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Float => "float",
            Self::Text => "text",
            Self::Entity => "entity",
            Self::Vector => "vector",
            Self::Bytes => "bytes",
            Self::IntList => "int_list",
            Self::FloatList => "float_list",
            Self::TextList => "text_list",
        }
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for ValueKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One value. Floats are finite; equality is equality of bits, so that nothing that changed counts as unchanged.
#[derive(Debug, Clone)]
pub enum Value {
    /// See [`ValueKind::Bool`].
    Bool(bool),
    /// See [`ValueKind::Int`].
    Int(i64),
    /// See [`ValueKind::Float`].
    Float(f64),
    /// See [`ValueKind::Text`].
    Text(Arc<str>),
    /// See [`ValueKind::Entity`].
    Entity(EntityId),
    /// See [`ValueKind::Vector`].
    Vector([f64; 3]),
    /// See [`ValueKind::Bytes`].
    Bytes(Arc<[u8]>),
    /// See [`ValueKind::IntList`].
    IntList(Arc<[i64]>),
    /// See [`ValueKind::FloatList`].
    FloatList(Arc<[f64]>),
    /// See [`ValueKind::TextList`].
    TextList(Arc<[Arc<str>]>),
}

/// A value that no variable may hold.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ValueError {
    /// NaN or infinity.
    #[error(transparent)]
    Space(#[from] SpaceError),
    /// More bytes than one variable may hold.
    #[error("the value takes {bytes} bytes, the limit is {max}")]
    TooLarge {
        /// Bytes given.
        bytes: usize,
        /// Bytes allowed.
        max: usize,
    },
}

impl Value {
    /// Largest text, byte string or list of one variable, in bytes.
    pub const MAX_BYTES: usize = 64 * 1024;

    /// What sort of value it is.
    pub const fn kind(&self) -> ValueKind {
        match self {
            Self::Bool(_) => ValueKind::Bool,
            Self::Int(_) => ValueKind::Int,
            Self::Float(_) => ValueKind::Float,
            Self::Text(_) => ValueKind::Text,
            Self::Entity(_) => ValueKind::Entity,
            Self::Vector(_) => ValueKind::Vector,
            Self::Bytes(_) => ValueKind::Bytes,
            Self::IntList(_) => ValueKind::IntList,
            Self::FloatList(_) => ValueKind::FloatList,
            Self::TextList(_) => ValueKind::TextList,
        }
    }

    /// Refuses NaN, infinities and values over [`Self::MAX_BYTES`].
    pub fn check(&self) -> Result<(), ValueError> {
        match self {
            Self::Float(value) => finite("the value", *value).map(drop)?,
            Self::Vector(values) => values.iter().try_for_each(|v| finite("the vector", *v).map(drop))?,
            Self::FloatList(values) => values.iter().try_for_each(|v| finite("the list", *v).map(drop))?,
            _ => {}
        }
        let bytes = self.size_bytes();
        if bytes > Self::MAX_BYTES {
            Err(ValueError::TooLarge { bytes, max: Self::MAX_BYTES })
        } else {
            Ok(())
        }
    }

    /// Bytes of the content, for limits and cache weights.
    pub fn size_bytes(&self) -> usize {
        match self {
            Self::Bool(_) => 1,
            Self::Int(_) | Self::Float(_) | Self::Entity(_) => 8,
            Self::Vector(_) => 24,
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::IntList(list) => list.len() * 8,
            Self::FloatList(list) => list.len() * 8,
            Self::TextList(list) => list.iter().map(|text| text.len() + 16).sum(),
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        let same = |a: &[f64], b: &[f64]| {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
        };
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits(),
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Entity(a), Self::Entity(b)) => a == b,
            (Self::Vector(a), Self::Vector(b)) => same(a, b),
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::IntList(a), Self::IntList(b)) => a == b,
            (Self::FloatList(a), Self::FloatList(b)) => same(a, b),
            (Self::TextList(a), Self::TextList(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Value {}
