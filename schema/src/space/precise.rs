//! Vectors with twice the digits of a float, for the inside of conversions.
//!
//! The arithmetic is that of Joldes, Muller and Popescu, "Tight and rigorous error bounds for basic building blocks of
//! double-word arithmetic" (2017). The crate that offers it, `twofloat` 0.8, divides inexactly (its algorithm 18 lacks the
//! fused multiplication), so the four steps needed are written out here.

use std::ops::{Add, Mul, Neg};

use glam::{DQuat, DVec3};

/// Each part is the sum of two floats: about 32 decimal digits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Precise([Double; 3]);

impl Precise {
    /// The nearest vector of floats.
    pub fn rounded(self) -> DVec3 {
        DVec3::from_array(self.0.map(|part| part.high))
    }

    /// Moved by `offset`.
    pub fn plus(self, offset: DVec3) -> Self {
        self.zip(Self::from(offset), Add::add)
    }

    /// Turned by `rotation` as if it had exactly length 1: with `b` its vector part, `w` its real part and `t = b x v`
    /// that is `v + 2 (w t + b x t) / (b b + w w)`. So the conjugate turns back exactly, which the usual formula for
    /// unit quaternions does not do: it stretches by the square of the length, whose rounding alone is 3 mm at 8e12 m.
    pub fn turned(self, rotation: DQuat) -> Self {
        let b = rotation.xyz();
        if b == DVec3::ZERO {
            return self;
        }
        let squares = rotation.to_array().map(|part| Double::product(part, part));
        let length_squared = squares[0] + squares[1] + squares[2] + squares[3];
        // The quotient of the high words, then what that leaves over.
        let quotient = 2.0 / length_squared.high;
        let rest = (Double::from(2.0) + -(length_squared * quotient)).high / length_squared.high;
        let t = self.crossed_by(b);
        let turn = t.map(|part| part * rotation.w).zip(t.crossed_by(b), Add::add);
        self.zip(turn.map(|part| part * quotient + part * rest), Add::add)
    }

    /// `vector x self`.
    fn crossed_by(self, vector: DVec3) -> Self {
        let Self([x, y, z]) = self;
        Self([z * vector.y + y * -vector.z, x * vector.z + z * -vector.x, y * vector.x + x * -vector.y])
    }

    fn map(self, part: impl Fn(Double) -> Double) -> Self {
        Self(self.0.map(part))
    }

    fn zip(self, Self([x, y, z]): Self, part: impl Fn(Double, Double) -> Double) -> Self {
        Self([part(self.0[0], x), part(self.0[1], y), part(self.0[2], z)])
    }
}

impl From<DVec3> for Precise {
    fn from(vector: DVec3) -> Self {
        Self(vector.to_array().map(Double::from))
    }
}

/// `high + low`, where `high` is the float nearest to the sum.
#[derive(Debug, Clone, Copy)]
struct Double {
    high: f64,
    low: f64,
}

impl Double {
    /// Exactly `a + b`.
    fn sum(a: f64, b: f64) -> Self {
        let high = a + b;
        let (a_part, b_part) = (high - b, high - (high - b));
        Self { high, low: (a - a_part) + (b - b_part) }
    }

    /// Exactly `a + b` for `|a| >= |b|`.
    fn sum_of_ordered(a: f64, b: f64) -> Self {
        let high = a + b;
        Self { high, low: b - (high - a) }
    }

    /// Exactly `a * b`.
    fn product(a: f64, b: f64) -> Self {
        let high = a * b;
        Self { high, low: a.mul_add(b, -high) }
    }
}

impl From<f64> for Double {
    fn from(high: f64) -> Self {
        Self { high, low: 0.0 }
    }
}

impl Neg for Double {
    type Output = Self;

    fn neg(self) -> Self {
        Self { high: -self.high, low: -self.low }
    }
}

/// Algorithm 6 of the paper.
impl Add for Double {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let (high, low) = (Self::sum(self.high, other.high), Self::sum(self.low, other.low));
        let sum = Self::sum_of_ordered(high.high, high.low + low.high);
        Self::sum_of_ordered(sum.high, low.low + sum.low)
    }
}

/// Algorithm 9 of the paper.
impl Mul<f64> for Double {
    type Output = Self;

    fn mul(self, factor: f64) -> Self {
        let product = Self::product(self.high, factor);
        Self::sum_of_ordered(product.high, self.low.mul_add(factor, product.low))
    }
}
