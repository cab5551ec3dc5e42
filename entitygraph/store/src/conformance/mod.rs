//! What a store promises, as tests. Every backend passes all of them, with one line:
//!
//! ```ignore
//! entitygraph_store::conformance!(memory, async || (Arc::new(MemoryStore::new()) as Arc<dyn Store>, ()));
//! ```
//!
//! The factory opens an empty store and returns it with whatever must outlive it, such as a temporary folder. Each story
//! gets a store of its own. What happens over a restart is no part of the contract's trait and is tested where restarts
//! are.
//!
//! [`build`] has short words for worlds and writes, [`snapshot`] a reader's copy that checks every commit it applies,
//! [`random`] makes histories, [`compare`](mod@compare) asks two stores everything.

// A failed unwrap is a failed test, and the name of a story says it all.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, missing_docs)]

pub mod build;
pub mod compare;
pub mod fixture;
pub mod random;
pub mod snapshot;

pub mod commit;
pub mod ids;
pub mod operations;

pub mod container;
pub mod entity;
pub mod hierarchy;
pub mod ports;
pub mod reparent;

pub mod facets;
pub mod links;
pub mod names;
pub mod pages;
pub mod space;

pub mod changes;
pub mod concurrency;
pub mod moving;

use build::Shared;

/// Tells one story with one store, on threads of its own.
pub fn tell<Guard, Opening: Future<Output = (Shared, Guard)>, Telling: Future<Output = ()>>(
    open: impl FnOnce() -> Opening,
    story: impl FnOnce(Shared) -> Telling,
) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("threads for the test").block_on(async {
        let (store, guard) = open().await;
        story(store).await;
        drop(guard);
    });
}

/// Makes a module of tests with every story of the suite for the store that the factory opens.
#[macro_export]
macro_rules! conformance {
    ($module:ident, $open:expr) => {
        mod $module {
            #[allow(unused_imports)]
            use super::*;
            $crate::conformance_stories!($open;
                commit:
                    an_empty_store_is_at_cursor_zero,
                    a_store_says_what_it_is,
                    each_transaction_that_changes_something_has_the_next_cursor,
                    a_transaction_that_changes_nothing_has_the_cursor_of_the_one_before,
                    a_refused_step_undoes_every_step_before_it,
                    among_many_new_entities_one_whose_id_was_used_is_refused,
                    later_steps_see_what_earlier_ones_did,
                    preconditions_are_judged_before_the_first_step,
                    preconditions_about_existence_and_revision_are_kept,
                    a_newer_epoch_is_taken_over_with_the_write_and_an_older_one_is_refused,
                    a_write_of_what_is_there_already_still_takes_a_newer_epoch_over,
                    an_epoch_is_raised_from_what_is_known_of_it,
                    a_container_version_is_a_precondition,
                    an_entity_changed_often_in_one_transaction_is_told_once,
                    an_entity_made_and_changed_in_one_transaction_is_told_as_it_came_out,
                    an_entity_made_and_buried_in_one_transaction_is_told_as_buried,
                    an_entity_changed_and_buried_in_one_transaction_is_told_as_readers_knew_it,
                    what_left_its_parent_and_was_buried_with_it_is_told_before_it,
                    accepted_transactions_are_visible_at_once_and_durable_after_sync;
                operations:
                    the_same_operation_id_again_returns_the_first_outcome,
                    the_newest_commit_of_a_move_is_known_whoever_commits_later,
                    an_operation_id_is_refused_for_another_request,
                    the_operation_id_of_a_refused_transaction_is_free,
                    a_transaction_that_changed_nothing_is_known_by_its_operation_id_too,
                    a_commit_carries_the_operation_id_of_its_writer,
                    of_many_calls_with_one_operation_id_at_once_one_is_done;
                ids:
                    leases_hold_as_many_ids_as_asked_and_none_twice,
                    leases_at_once_never_overlap,
                    the_largest_lease_is_two_to_the_32_and_the_smallest_one,
                    leases_step_over_ids_that_callers_brought;
                entity:
                    entities_are_read_as_they_were_made,
                    entities_come_in_the_order_asked_with_gaps_for_the_unknown,
                    more_ids_than_a_page_are_refused,
                    ids_above_two_to_the_53_and_63_are_kept,
                    an_id_is_made_once,
                    an_entity_needs_a_living_parent,
                    a_world_root_is_a_zone_without_pose_and_port,
                    radii_and_poses_that_cannot_be_are_refused,
                    every_part_of_an_entity_can_be_changed_and_is_told,
                    only_what_differs_is_told,
                    a_changed_variable_is_told_with_its_whole_group,
                    a_patch_cannot_change_the_parent_edge,
                    what_is_not_there_cannot_be_changed,
                    a_zone_with_something_below_stays_one,
                    values_are_set_reset_and_taken_away,
                    values_that_the_registry_does_not_know_are_refused_by_name,
                    every_kind_of_value_is_kept_to_the_last_bit,
                    values_that_are_not_persisted_are_refused_by_name;
                container:
                    four_hundred_component_types_are_taken_and_one_more_rewrites_nothing,
                    a_component_type_grows_and_keeps_its_numbers,
                    variables_are_renamed_and_retired_without_touching_an_entity,
                    a_variable_takes_over_the_values_of_another_one_as_they_are_written,
                    an_instance_has_what_its_containers_values_become,
                    component_types_that_break_stored_values_are_refused,
                    a_container_gets_a_version_with_each_change,
                    containers_that_cannot_be_are_refused,
                    a_new_version_changes_every_value_that_nobody_overrode,
                    instances_of_transient_containers_are_never_stored,
                    an_instance_is_of_a_known_container_and_of_its_kind,
                    a_tree_of_5000_entities_is_made_in_one_transaction_parents_first;
                hierarchy:
                    children_come_by_ordinal_then_id,
                    children_come_by_name_in_lower_case_then_id,
                    world_roots_are_the_children_of_nobody,
                    ancestors_go_up_to_the_world_root,
                    a_subtree_is_parents_first_and_siblings_in_order,
                    a_subtree_ends_at_the_depth_asked,
                    an_aggregate_ends_at_nested_roots,
                    the_inside_of_a_zone_ends_at_the_zones_in_it,
                    questions_about_nobody_are_refused,
                    a_chain_of_a_thousand_levels_is_no_trouble,
                    an_entity_with_children_is_buried_with_them_or_not_at_all,
                    the_dead_are_gone_from_every_question_and_their_ids_never_come_back,
                    an_emptied_entity_can_be_buried_in_the_same_transaction,
                    a_tree_has_a_limit_of_levels;
                reparent:
                    the_place_in_the_world_is_kept_from_zone_to_zone,
                    within_one_zone_the_pose_stays_to_the_last_bit,
                    what_rode_with_its_parent_gets_the_place_where_it_was,
                    the_new_pose_can_be_given_or_left_out,
                    everything_below_moves_along_and_a_zone_is_one_write,
                    what_stands_below_something_that_is_no_zone_keeps_its_place_and_is_told,
                    a_cycle_is_refused_however_long,
                    nobody_moves_or_is_moved_to_who_is_not_there,
                    another_world_has_no_same_place,
                    a_world_root_can_be_put_into_another_world,
                    a_move_to_where_it_is_changes_nothing,
                    every_question_finds_the_moved_at_its_new_place_only,
                    a_place_that_a_conversion_takes_too_far_is_refused;
                ports:
                    a_port_holds_one_at_a_time,
                    a_port_is_free_again_when_its_occupant_leaves_or_dies,
                    occupants_swap_in_one_transaction,
                    a_port_takes_only_the_kinds_that_it_accepts,
                    a_port_is_one_of_the_parents_container,
                    a_free_port_is_asked_of_a_living_entity,
                    instances_come_with_their_children_attached;
                facets:
                    entities_are_found_below_a_node_and_in_the_whole_world,
                    what_has_several_of_the_facets_is_found_once,
                    things_far_apart_below_many_nodes_are_all_found,
                    labels_are_found_once_set_and_not_once_cleared,
                    instances_are_found_by_container_and_own_values_by_component,
                    counts_are_sorted_and_leave_the_node_itself_out,
                    counts_follow_every_move_and_burial,
                    counts_of_one_sort_come_by_pages,
                    a_total_is_of_all_below_and_of_the_whole_world,
                    one_question_has_a_limit_of_facets,
                    facets_are_counted_by_name_too;
                names:
                    names_are_found_by_prefix_in_any_case_and_in_order,
                    of_one_name_the_lower_id_comes_first,
                    a_renamed_entity_is_found_by_its_new_name_only,
                    names_of_the_greatest_length_are_found,
                    what_an_owner_has_is_listed_by_id;
                space:
                    what_is_near_comes_nearest_first_then_by_id,
                    an_entity_is_near_when_its_ball_is,
                    a_moon_is_seen_from_afar_and_a_mug_beside_it_is_not,
                    what_is_in_other_zones_is_near_through_all_their_poses,
                    a_zone_that_rides_is_where_its_carrier_is,
                    only_what_has_a_pose_is_near_and_only_in_its_own_world_and_layer,
                    millimetres_count_at_the_far_end_of_the_world,
                    positions_on_every_border_are_found_like_any_others,
                    questions_about_places_that_make_no_sense_are_refused,
                    a_question_that_finds_too_much_is_refused,
                    any_number_of_things_at_one_point_is_found,
                    zones_at_a_point_go_inwards_through_the_smallest;
                links:
                    a_link_is_the_same_from_both_ends,
                    links_come_by_kind_then_other_end,
                    a_link_made_again_changes_its_cost_and_nothing_else,
                    a_link_is_taken_away_once,
                    links_that_cannot_be_are_refused,
                    links_die_with_either_end_and_are_told,
                    a_zone_has_the_links_with_an_end_in_it,
                    links_follow_their_ends_into_other_zones,
                    the_route_is_the_cheapest_not_the_shortest,
                    there_may_be_no_route_or_no_need_of_one,
                    a_route_leads_past_zones_with_very_many_links;
                pages:
                    a_list_is_the_same_in_pages_of_any_size,
                    a_list_goes_on_after_any_of_its_rows,
                    the_cursor_of_another_list_is_refused,
                    bytes_that_are_no_cursor_are_refused,
                    a_page_has_from_one_to_ten_thousand_rows,
                    a_list_goes_on_when_the_row_of_its_cursor_is_gone,
                    rows_that_come_in_between_are_neither_lost_nor_twice;
                changes:
                    a_copy_that_follows_every_commit_is_the_world,
                    a_snapshot_of_any_moment_and_the_commits_since_are_the_world,
                    commits_come_whole_in_order_and_without_gaps,
                    one_commit_tells_each_entity_at_most_once,
                    a_cursor_that_is_not_there_yet_means_resync,
                    who_watches_the_newest_cursor_is_woken_by_each_commit;
                concurrency:
                    under_readers_a_moving_entity_always_has_one_parent,
                    a_read_sees_all_of_a_transaction_or_nothing,
                    an_answer_is_true_for_the_cursor_that_it_names,
                    of_writers_at_one_revision_one_wins_and_nothing_is_lost,
                    writers_at_once_get_cursors_without_gap_or_double,
                    moves_at_once_never_make_a_cycle,
                    of_many_who_want_one_port_one_gets_it,
                    a_follower_keeps_up_with_writers_and_misses_nothing;
                moving:
                    everything_is_listed_once_and_in_order,
                    links_are_listed_in_order_whatever_order_they_were_made_in,
                    a_list_of_large_records_is_the_same_in_pages_of_any_size,
                    what_moves_and_changes_is_listed_once_all_the_same,
                    an_adopted_entity_is_what_it_was_elsewhere,
                    more_are_adopted_at_once_than_a_transaction_has_operations,
                    an_adopted_entity_is_told_with_the_revision_it_came_with,
                    only_a_newer_revision_takes_the_place_of_another,
                    entities_adopted_together_are_judged_together,
                    adopted_entities_may_hold_what_could_not_be_written_any_more,
                    adopted_entities_that_cannot_be_are_refused,
                    what_is_below_an_adopted_entity_is_in_the_zone_it_comes_to,
                    an_entombed_id_never_comes_back,
                    component_types_and_containers_are_taken_over_with_their_numbers,
                    a_world_taken_over_record_by_record_answers_alike;
                random:
                    a_random_history_comes_out_as_in_the_memory_store;
            );
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! conformance_stories {
    ($open:expr; $($noun:ident: $($story:ident),+;)+) => {
        $(mod $noun {
            #[allow(unused_imports)]
            use super::*;
            $(#[test]
            fn $story() {
                $crate::conformance::tell($open, $crate::conformance::$noun::$story);
            })+
        })+
    };
}

#[cfg(test)]
mod tests {
    /// A story that is not in the list would never be told.
    #[test]
    fn every_story_is_in_the_list() {
        let list = include_str!("mod.rs");
        let nouns = [
            ("commit", include_str!("commit.rs")),
            ("operations", include_str!("operations.rs")),
            ("ids", include_str!("ids.rs")),
            ("entity", include_str!("entity.rs")),
            ("container", include_str!("container.rs")),
            ("hierarchy", include_str!("hierarchy.rs")),
            ("reparent", include_str!("reparent.rs")),
            ("ports", include_str!("ports.rs")),
            ("facets", include_str!("facets.rs")),
            ("names", include_str!("names.rs")),
            ("space", include_str!("space.rs")),
            ("links", include_str!("links.rs")),
            ("pages", include_str!("pages.rs")),
            ("changes", include_str!("changes.rs")),
            ("concurrency", include_str!("concurrency.rs")),
            ("moving", include_str!("moving.rs")),
            ("random", include_str!("random.rs")),
        ];
        for (noun, file) in nouns {
            let stories = file
                .lines()
                .filter_map(|line| line.strip_prefix("pub async fn ")?.strip_suffix("(store: Shared) {"));
            for story in stories {
                let listed =
                    list.lines().filter(|line| line.trim().trim_end_matches([',', ';']) == story).count();
                assert_eq!(listed, 1, "{noun}::{story}");
            }
        }
    }

    crate::conformance!(memory, async || {
        let store: crate::conformance::build::Shared = std::sync::Arc::new(crate::MemoryStore::new());
        (store, ())
    });
}
