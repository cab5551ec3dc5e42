//! What is known of addresses: how many of their connections wait for a Hello, and which of them flooded. All cores share it.

use std::net::{IpAddr, Ipv6Addr};

use entitygraph_schema::wire::control::message::Code;
use hashbrown::HashMap;

use super::Refusal;
use crate::config::Config;

/// How long an address waits after its first flood; twice as long after each other one.
const FIRST_WAIT_US: u64 = 5_000_000;

/// At most.
const WAIT_US_MAX: u64 = 60_000_000;

/// After so long without a flood the next one counts as the first again.
const FORGIVEN_US: u64 = 600_000_000;

/// Addresses that flooded and are remembered; of more the one that flooded longest ago is forgotten.
const FLOODS_MAX: usize = 4_096;

#[derive(Debug, Clone, Copy)]
struct Flooded {
    at_us: u64,
    wait_us: u64,
}

/// The addresses.
#[derive(Debug, Default)]
pub struct Addresses {
    waiting: HashMap<IpAddr, usize>,
    waiting_count: usize,
    floods: HashMap<IpAddr, Flooded>,
}

/// Whoever has an IPv6 address has all of its /64.
fn whose(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(six) => {
            let [one, two, three, four, ..] = six.segments();
            Ipv6Addr::new(one, two, three, four, 0, 0, 0, 0).into()
        }
        four => four,
    }
}

impl Addresses {
    /// A connection comes, and waits for its Hello.
    ///
    /// # Errors
    /// `BUSY` when too many wait, `FLOOD` when its address has to.
    pub fn arrives(&mut self, now_us: u64, address: IpAddr, config: &Config) -> Result<(), Refusal> {
        let address = whose(address);
        if let Some(flooded) = self.floods.get(&address)
            && let left_us = (flooded.at_us + flooded.wait_us).saturating_sub(now_us)
            && left_us > 0
        {
            return Err(refusal("this address sent more than the rate that Welcome said: wait", left_us));
        }
        let of_address = self.waiting.entry(address).or_default();
        if self.waiting_count >= config.waiting_max || *of_address >= config.waiting_per_address_max {
            if *of_address == 0 {
                self.waiting.remove(&address);
            }
            return Err(Refusal::new(Code::Busy, "too many connections wait for a Hello"));
        }
        *of_address += 1;
        self.waiting_count += 1;
        Ok(())
    }

    /// A connection said Hello, or is gone before it did.
    pub fn waits_no_more(&mut self, address: IpAddr) {
        let address = whose(address);
        self.waiting_count = self.waiting_count.saturating_sub(1);
        if let Some(count) = self.waiting.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.waiting.remove(&address);
            }
        }
    }

    /// How many wait for a Hello.
    pub fn waiting(&self) -> usize {
        self.waiting_count
    }

    /// A connection of the address flooded: how it is closed. Its address waits, longer each time.
    pub fn flooded(&mut self, now_us: u64, address: IpAddr) -> Refusal {
        let address = whose(address);
        let before = self.floods.get(&address).filter(|before| now_us < before.at_us + FORGIVEN_US);
        let wait_us = before.map_or(FIRST_WAIT_US, |before| (2 * before.wait_us).min(WAIT_US_MAX));
        if self.floods.len() >= FLOODS_MAX && !self.floods.contains_key(&address) {
            let oldest = self.floods.iter().min_by_key(|(_, flooded)| flooded.at_us);
            if let Some(oldest) = oldest.map(|(address, _)| *address) {
                self.floods.remove(&oldest);
            }
        }
        self.floods.insert(address, Flooded { at_us: now_us, wait_us });
        refusal("more than the rate that Welcome said", wait_us)
    }
}

fn refusal(reason: &str, wait_us: u64) -> Refusal {
    let retry_after_ms = u32::try_from(wait_us.div_ceil(1_000)).unwrap_or(u32::MAX);
    Refusal { code: Code::Flood, reason: reason.into(), retry_after_ms }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_US: u64 = 1_000_000;

    fn address(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    fn arrives(addresses: &mut Addresses, now_us: u64, address: IpAddr) -> Option<(Code, u32)> {
        let arrived = addresses.arrives(now_us, address, &Config::default());
        if arrived.is_ok() {
            addresses.waits_no_more(address);
        }
        arrived.err().map(|refusal| (refusal.code, refusal.retry_after_ms))
    }

    #[test]
    fn an_address_that_floods_waits_longer_each_time_and_no_other_one_does() {
        let (mut addresses, mut now_us) = (Addresses::default(), 7 * SECOND_US);
        for wait_ms in [5_000, 10_000, 20_000, 40_000, 60_000, 60_000] {
            assert_eq!(addresses.flooded(now_us, address(1)).retry_after_ms, wait_ms);
            now_us += u64::from(wait_ms) * 1_000 - 1;
            assert_eq!(arrives(&mut addresses, now_us, address(1)), Some((Code::Flood, 1)));
            assert_eq!(arrives(&mut addresses, now_us, address(2)), None);
            now_us += 1;
            assert_eq!(arrives(&mut addresses, now_us, address(1)), None);
        }
        now_us += FORGIVEN_US;
        assert_eq!(addresses.flooded(now_us, address(1)).retry_after_ms, 5_000);
    }

    #[test]
    fn one_network_of_the_sixth_version_is_one_address() {
        let mut addresses = Addresses::default();
        addresses.flooded(0, "2001:db8::1".parse().unwrap());
        assert!(arrives(&mut addresses, 1, "2001:db8::2".parse().unwrap()).is_some());
        assert!(arrives(&mut addresses, 1, "2001:db8:0:1::1".parse().unwrap()).is_none());
        addresses.flooded(0, address(1));
        assert!(arrives(&mut addresses, 1, "::ffff:10.0.0.1".parse().unwrap()).is_some());
    }

    #[test]
    fn floods_of_any_number_of_addresses_are_remembered_within_a_bound() {
        let mut addresses = Addresses::default();
        for number in 0..FLOODS_MAX as u32 + 10 {
            addresses.flooded(u64::from(number), IpAddr::from(number.to_be_bytes()));
        }
        assert_eq!(addresses.floods.len(), FLOODS_MAX);
        assert!(!addresses.floods.contains_key(&IpAddr::from([0, 0, 0, 9])));
    }
}
