//! Scalars: what JSON cannot say safely is a string, what it can say is checked.

use async_graphql::{
    InputValueError, InputValueResult, Number, Scalar, ScalarType, Value as Const, connection::CursorType,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use entitygraph_schema::{Aabb, Cursor, EntityId, Pose, Refusal, query::PageCursor, space::SpaceError};
use glam::{DQuat, DVec3};

/// How a scalar is written, for who wrote one otherwise: what validation says of it has the field and the name of the type.
pub fn form(scalar: &str) -> Option<&'static str> {
    Some(match scalar {
        "EntityId" => {
            "a whole number from 1 to 18446744073709551615 as a decimal string, because larger numbers do not survive JSON"
        }
        "Cursor" => "one that a commit gave you, a decimal string",
        "Int64" => "a whole number of 64 bits, as a decimal string or a number",
        "Vector" => "three numbers [x, y, z]",
        "Quaternion" => "four numbers [x, y, z, w]",
        _ => return None,
    })
}

/// What was given, short enough for a message.
pub(super) fn shown(value: &Const) -> String {
    let text = value.to_string();
    if text.chars().count() <= 40 { text } else { text.chars().take(40).chain("...".chars()).collect() }
}

/// An entity: a whole number from 1 to 18446744073709551615 as a decimal string, because JavaScript numbers end at 2^53.
/// Never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub EntityId);

#[Scalar(name = "EntityId")]
impl ScalarType for Id {
    fn parse(value: Const) -> InputValueResult<Self> {
        let text = match &value {
            Const::String(text) => text.clone(),
            Const::Number(number) if number.as_u64().is_some_and(|number| number < 1 << 53) => {
                number.to_string()
            }
            Const::Number(number) => {
                return Err(InputValueError::custom(format!(
                    "{number} is no entity id: send ids as decimal strings, larger numbers do not survive JSON"
                )));
            }
            _ => {
                return Err(InputValueError::custom(format!(
                    "{} is no entity id: send a decimal string",
                    shown(&value)
                )));
            }
        };
        text.parse().map(Self).map_err(InputValueError::custom)
    }

    fn is_valid(value: &Const) -> bool {
        Self::parse(value.clone()).is_ok()
    }

    fn to_value(&self) -> Const {
        Const::String(self.0.to_string())
    }
}

/// A place in the change sequence, as a decimal string: the number of a committed transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangeCursor(pub Cursor);

#[Scalar(name = "Cursor")]
impl ScalarType for ChangeCursor {
    fn parse(value: Const) -> InputValueResult<Self> {
        let number = whole(&value).and_then(|number| u64::try_from(number).ok());
        let refused = || {
            InputValueError::custom(format!(
                "{} is no cursor: send one that a commit gave you",
                shown(&value)
            ))
        };
        number.map(|number| Self(Cursor::from_number(number))).ok_or_else(refused)
    }

    fn is_valid(value: &Const) -> bool {
        Self::parse(value.clone()).is_ok()
    }

    fn to_value(&self) -> Const {
        Const::String(self.0.to_string())
    }
}

/// A 64-bit integer as a decimal string; input may be a number as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Int64(pub i128);

#[Scalar(name = "Int64")]
impl ScalarType for Int64 {
    fn parse(value: Const) -> InputValueResult<Self> {
        let refused = || InputValueError::custom(format!("{} is no 64-bit integer", shown(&value)));
        whole(&value).map(Self).ok_or_else(refused)
    }

    fn is_valid(value: &Const) -> bool {
        Self::parse(value.clone()).is_ok()
    }

    fn to_value(&self) -> Const {
        Const::String(self.0.to_string())
    }
}

impl Int64 {
    /// As an unsigned number; `what` names it in the refusal.
    pub(super) fn unsigned(self, what: &'static str) -> Result<u64, Refusal> {
        u64::try_from(self.0)
            .map_err(|_| Refusal::Invalid { what, reason: format!("{} is below 0 or above 2^64", self.0) })
    }

    /// As a signed number; `what` names it in the refusal.
    pub(super) fn signed(self, what: &'static str) -> Result<i64, Refusal> {
        i64::try_from(self.0)
            .map_err(|_| Refusal::Invalid { what, reason: format!("{} is out of 64 bits", self.0) })
    }
}

impl From<u64> for Int64 {
    fn from(number: u64) -> Self {
        Self(number.into())
    }
}

/// A whole number of at most 64 bits, from a number or a decimal string.
pub(super) fn whole(value: &Const) -> Option<i128> {
    let number: i128 = match value {
        Const::Number(number) => {
            number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))?
        }
        Const::String(text) => text.parse().ok()?,
        _ => return None,
    };
    (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&number).then_some(number)
}

/// Floats of a list of fixed length.
pub(super) fn floats<const N: usize>(value: &Const) -> Option<[f64; N]> {
    let Const::List(list) = value else { return None };
    let floats: Option<Vec<_>> =
        list.iter().map(|part| if let Const::Number(part) = part { part.as_f64() } else { None }).collect();
    floats?.try_into().ok()
}

pub(super) fn list(floats: impl IntoIterator<Item = f64>) -> Const {
    Const::List(floats.into_iter().map(number).collect())
}

/// The model holds finite floats only; anything else would be null here.
pub(super) fn number(float: f64) -> Const {
    Number::from_f64(float).map_or(Const::Null, Const::Number)
}

/// Three finite floats `[x, y, z]`; in metres where it is a position, and then from -1e21 to 1e21.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Vector(pub DVec3);

#[Scalar(name = "Vector")]
impl ScalarType for Vector {
    fn parse(value: Const) -> InputValueResult<Self> {
        let refused = || {
            InputValueError::custom(format!("{} is no vector: send three numbers [x, y, z]", shown(&value)))
        };
        floats::<3>(&value).map(|parts| Self(parts.into())).ok_or_else(refused)
    }

    fn is_valid(value: &Const) -> bool {
        Self::parse(value.clone()).is_ok()
    }

    fn to_value(&self) -> Const {
        list(self.0.to_array())
    }
}

/// A rotation as a unit quaternion `[x, y, z, w]`; `[0, 0, 0, 1]` is none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quaternion(pub DQuat);

#[Scalar(name = "Quaternion")]
impl ScalarType for Quaternion {
    fn parse(value: Const) -> InputValueResult<Self> {
        let refused = || {
            InputValueError::custom(format!(
                "{} is no rotation: send four numbers [x, y, z, w]",
                shown(&value)
            ))
        };
        floats::<4>(&value).map(|parts| Self(DQuat::from_array(parts))).ok_or_else(refused)
    }

    fn is_valid(value: &Const) -> bool {
        Self::parse(value.clone()).is_ok()
    }

    fn to_value(&self) -> Const {
        list(self.0.to_array())
    }
}

/// The value of a variable. Its form follows the variable's kind: `bool` true or false; `int` a decimal string (input: a
/// number as well); `float` a number; `text` a string; `entity` an EntityId; `vector` `[x, y, z]`; `bytes` a string in
/// base64; `int_list`, `float_list` and `text_list` lists of those.
#[derive(Debug, Clone, PartialEq)]
pub struct Value(pub Const);

#[Scalar(name = "Value")]
impl ScalarType for Value {
    fn parse(value: Const) -> InputValueResult<Self> {
        Ok(Self(value))
    }

    fn to_value(&self) -> Const {
        self.0.clone()
    }
}

/// Where a page continues; opaque.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowCursor(pub PageCursor);

impl CursorType for RowCursor {
    type Error = Refusal;

    fn decode_cursor(text: &str) -> Result<Self, Refusal> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Refusal::BadPageCursor)?;
        Ok(Self(PageCursor(bytes)))
    }

    fn encode_cursor(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.0.0)
    }
}

/// A place and attitude in a zone.
#[derive(Debug, Clone, Copy, PartialEq, async_graphql::SimpleObject)]
#[graphql(name = "Pose")]
pub struct PoseObject {
    /// Metres in the zone.
    position: Vector,
    /// Unit quaternion.
    rotation: Quaternion,
}

impl From<Pose> for PoseObject {
    fn from(pose: Pose) -> Self {
        Self { position: Vector(pose.translation()), rotation: Quaternion(pose.rotation()) }
    }
}

/// A place and attitude in a zone.
#[derive(Debug, Clone, Copy, async_graphql::InputObject)]
pub struct PoseInput {
    /// Metres in the zone.
    pub position: Vector,
    /// Unit quaternion.
    #[graphql(default_with = "Quaternion(DQuat::IDENTITY)")]
    pub rotation: Quaternion,
}

impl TryFrom<PoseInput> for Pose {
    type Error = SpaceError;

    fn try_from(input: PoseInput) -> Result<Self, SpaceError> {
        Self::new(input.position.0, input.rotation.0)
    }
}

/// An axis-aligned box in a zone's own frame.
#[derive(Debug, Clone, Copy, PartialEq, async_graphql::SimpleObject)]
#[graphql(name = "Bounds")]
pub struct BoundsObject {
    /// Lower corner in metres.
    min: Vector,
    /// Upper corner in metres.
    max: Vector,
}

impl From<Aabb> for BoundsObject {
    fn from(bounds: Aabb) -> Self {
        Self { min: Vector(bounds.min()), max: Vector(bounds.max()) }
    }
}

/// An axis-aligned box in a zone's own frame.
#[derive(Debug, Clone, Copy, async_graphql::InputObject)]
pub struct BoundsInput {
    /// Lower corner in metres.
    pub min: Vector,
    /// Upper corner in metres.
    pub max: Vector,
}

impl TryFrom<BoundsInput> for Aabb {
    type Error = SpaceError;

    fn try_from(input: BoundsInput) -> Result<Self, SpaceError> {
        Self::new(input.min.0, input.max.0)
    }
}
