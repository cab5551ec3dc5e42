//! Moments: sixteenths of a tick of the shard clock (protocol.md, "State"). A whole moment is a `u64`, most frames have its
//! lower 16 bits.

/// Moments in a tick.
pub const PER_TICK: u64 = 16;

/// The moment at this reading of the shard clock, with ticks of `tick_us` microseconds (at least 1 is taken).
pub fn at(shard_clock_us: u64, tick_us: u32) -> u64 {
    let moments = u128::from(shard_clock_us) * u128::from(PER_TICK) / u128::from(tick_us.max(1));
    u64::try_from(moments).unwrap_or(u64::MAX)
}

/// The whole moment nearest to `about` whose lower 16 bits are `low`; of two at the same distance the earlier one.
pub fn nearest(low: u16, about: u64) -> u64 {
    let ahead = low.wrapping_sub(about as u16);
    let found = if ahead < 1 << 15 {
        about.checked_add(ahead.into())
    } else {
        about.checked_sub((1 << 16) - u64::from(ahead))
    };
    // At the ends of the numbers there is a moment on one side only.
    found.unwrap_or_else(|| (about & !0xffff) | u64::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_s_moment_is_found_again() {
        let moment = 16 * 90_017 + 3;
        assert_eq!(moment as u16, 64_019);
        for about in [moment - 32_767, moment - 5, moment, moment + 5, moment + 32_768] {
            assert_eq!(nearest(64_019, about), moment, "{about}");
        }
        assert_eq!(nearest(64_019, moment + 32_769), moment + 65_536);
        assert_eq!((nearest(0xffff, 3), nearest(3, u64::MAX)), (0xffff, (u64::MAX - 0xffff) + 3));
    }

    #[test]
    fn a_moment_is_a_sixteenth_of_a_tick() {
        assert_eq!(
            (at(0, 33_333), at(33_332, 33_333), at(33_333, 33_333), at(u64::MAX, 1)),
            (0, 15, 16, u64::MAX)
        );
    }
}
