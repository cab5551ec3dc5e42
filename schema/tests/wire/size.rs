//! What a moved entity costs: the figures of docs/protocol.md, "What it costs".

use entitygraph_schema::wire::{
    Handle,
    row::Row,
    state::{Head, Span},
};
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};

use crate::{
    forms::{handle, slice},
    golden::example_head,
    pages::{number, protocol, table},
};

const WALKERS: usize = 50;
/// Of a message of that size, to a client.
const WEBSOCKET_BYTES: usize = 4;
const TRIES: usize = 200;

/// Mean bytes of a slice of fifty out of so many neighbouring handles, in a WebSocket message of its own.
fn bytes(among: u32, row: Row<'_>) -> f64 {
    let mut random = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut pick = move || {
        let mut handles = std::collections::BTreeSet::<Handle>::new();
        while handles.len() < WALKERS {
            handles.insert(handle(4097 + random.next_u32() % among));
        }
        handles
    };
    let head = Head { span: Span::reaching(16).unwrap(), ..example_head() };
    let total: usize = (0..TRIES)
        .map(|_| slice(&head, &pick().into_iter().map(|handle| (handle, row)).collect::<Vec<_>>()).len())
        .sum();
    total as f64 / TRIES as f64 + WEBSOCKET_BYTES as f64
}

#[test]
fn a_walker_costs_what_the_page_says() {
    let walker = Row { position: Some([2047, 1, 1024]), heading: Some(200), ..Row::default() };
    let turned = Row { heading: None, rotation: Some(512 | 512 << 10 | 512 << 20), ..walker };
    let measured = [bytes(100, walker), bytes(300, walker), bytes(6_000, walker), bytes(300, turned)];
    let page = protocol();
    let rows = table(&page, "| handles of the fifty | bytes | a moved entity |");
    let said = |row: usize| (number(&rows[row][1]), number(&rows[row][2]));
    for (measured, (bytes, each)) in measured.into_iter().zip([said(0), said(0), said(1), said(2)]) {
        println!("{measured} bytes, {} each", measured / WALKERS as f64);
        assert!((measured - bytes).abs() <= 1.0, "{measured} bytes, the page says {bytes}");
        assert!(
            (measured / WALKERS as f64 - each).abs() <= 0.06,
            "{measured} bytes, the page says {each} each"
        );
        assert!(each < 10.0 || each == said(2).1, "what walks has to cost less than ten bytes");
    }
}
