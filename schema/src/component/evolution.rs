//! The next version of a component type: which variable of a draft is which one of the type (AC 2.1.4).
//!
//! Values are stored under numbers, so renaming and retiring a variable of a million instances touches none of them. A name
//! stands for one variable of a type, retired ones included.

use super::{ComponentDraft, ComponentType, Converts, Variable, VariableDraft};
use crate::{id::VariableId, refusal::Refusal, text::VariableName};

/// The variables of the next version.
pub(super) struct Evolved {
    pub variables: Vec<Variable>,
    pub retired: Vec<Variable>,
}

impl Evolved {
    /// Whether the type is so already.
    pub fn leaves(&self, known: &ComponentType) -> bool {
        known.variables == self.variables && known.retired == self.retired
    }
}

/// What a draft makes of a type, or of none.
pub(super) fn evolve(known: Option<&ComponentType>, draft: &ComponentDraft) -> Result<Evolved, Refusal> {
    if !draft.settled.is_empty() {
        return settle(known, draft);
    }
    if let Some(known) = known {
        check_renamed(known, draft)?;
        check_retired(known, draft)?;
    }
    let taken_over = known.map(|known| conversions(known, draft)).transpose()?.unwrap_or_default();
    let (live, retired) = known.map_or((&[][..], &[][..]), |known| (&known.variables, &known.retired));
    let mut evolved =
        Evolved { variables: Vec::with_capacity(draft.variables.len()), retired: retired.to_vec() };
    for old in live {
        let name = &old.draft.name;
        let is_taken_over = taken_over.iter().any(|(_, converts)| converts.from == old.id);
        if is_taken_over || draft.retire.contains(name) {
            evolved.retired.push(old.clone());
            continue;
        }
        let new = draft.variables.iter().find(|new| old_name(live, draft, new) == name);
        let new = new.ok_or_else(|| Refusal::VariableDropped {
            component: draft.name.clone(),
            variable: name.clone(),
        })?;
        evolved.variables.push(kept(draft, old, new)?);
    }
    for old in &mut evolved.retired {
        if let Some((new, _)) = taken_over.iter().find(|(_, converts)| converts.from == old.id) {
            *old = set_aside(known, draft, old, new)?;
        }
    }
    let mut last = live.iter().chain(retired).map(|v| v.id.get()).max().unwrap_or(0);
    for new in &draft.variables {
        let converts =
            taken_over.iter().find(|(name, _)| **name == new.name).map(|(_, converts)| converts.clone());
        if converts.is_none() && has(live, old_name(live, draft, new)) {
            continue;
        }
        if let Some(place) = evolved.retired.iter().position(|old| old.draft.name == new.name) {
            let back = evolved.retired.remove(place);
            if let Some(taker) = taker_of(live, &back) {
                let why = format!("`{}` takes its values over: wait until it has", taker.draft.name);
                return Err(refused(draft, "bringing a retired variable back", &new.name, &why));
            }
            evolved.variables.push(kept(draft, &back, new)?);
            continue;
        }
        let count = u64::from(last) + 1;
        last = last.wrapping_add(1);
        let what = "variables that one component ever had";
        let id = VariableId::new(last).ok_or(Refusal::TooMany { what, count, max: u16::MAX.into() })?;
        evolved.variables.push(Variable { id, draft: new.clone(), converts });
    }
    let (count, max) = (evolved.retired.len() as u64, ComponentType::MAX_RETIRED as u64);
    if count > max {
        return Err(Refusal::TooMany { what: "retired variables", count, max });
    }
    let left: Vec<_> = evolved.retired.iter().map(|variable| variable.id).collect();
    for variable in &mut evolved.variables {
        // One that came back holds its values itself.
        variable.converts.take_if(|converts| !left.contains(&converts.from));
    }
    evolved.variables.sort_by_key(|variable| variable.id);
    evolved.retired.sort_by_key(|variable| variable.id);
    Ok(evolved)
}

/// The name that a variable of the draft has in the type, if it is there. One that is there under its new name was renamed
/// before.
fn old_name<'a>(live: &[Variable], draft: &'a ComponentDraft, new: &'a VariableDraft) -> &'a VariableName {
    let renamed = draft.renamed.get(&new.name).filter(|old| has(live, old) && !has(live, &new.name));
    renamed.unwrap_or(&new.name)
}

fn has(variables: &[Variable], name: &VariableName) -> bool {
    variables.iter().any(|variable| variable.draft.name == *name)
}

/// The variable as the draft has it, under its number; refuses what stored values could not be.
fn kept(draft: &ComponentDraft, old: &Variable, new: &VariableDraft) -> Result<Variable, Refusal> {
    let (component, variable) = (draft.name.clone(), new.name.clone());
    if new.default.kind() != old.kind() {
        let (from, to) = (old.kind(), new.default.kind());
        return Err(Refusal::VariableKindChanged { component, variable, from, to });
    }
    if old.draft.persisted && !new.persisted {
        let reason = format!(
            "`{component}.{variable}` is persisted and entities may hold values: retire it and add one of another name"
        );
        return Err(Refusal::Invalid { what: "the variable", reason });
    }
    Ok(Variable { id: old.id, draft: new.clone(), converts: old.converts.clone() })
}

/// The type without the marks of conversions that are through.
fn settle(known: Option<&ComponentType>, draft: &ComponentDraft) -> Result<Evolved, Refusal> {
    let known = known.ok_or_else(|| Refusal::UnknownComponent { component: draft.name.to_string() })?;
    let says_more = !draft.variables.is_empty()
        || !draft.renamed.is_empty()
        || !draft.retire.is_empty()
        || !draft.converts.is_empty();
    if says_more {
        let reason =
            format!("the draft of `{}` that settles conversions says something else too", draft.name);
        return Err(Refusal::Invalid { what: "settling a conversion", reason });
    }
    let mut variables = known.variables.clone();
    for variable in &mut variables {
        variable.converts.take_if(|_| draft.settled.contains(&variable.draft.name));
    }
    Ok(Evolved { variables, retired: known.retired.clone() })
}

/// The variable that takes over the values of another one.
fn taker_of<'a>(live: &'a [Variable], old: &Variable) -> Option<&'a Variable> {
    live.iter().find(|variable| variable.converts.as_ref().is_some_and(|converts| converts.from == old.id))
}

fn refused(draft: &ComponentDraft, what: &'static str, variable: &VariableName, why: &str) -> Refusal {
    Refusal::Invalid { what, reason: format!("`{}.{variable}`: {why}", draft.name) }
}

/// Which new variables of the draft take over whose values. One that did so before is left out.
fn conversions<'a>(
    known: &ComponentType,
    draft: &'a ComponentDraft,
) -> Result<Vec<(&'a VariableName, Converts)>, Refusal> {
    let live = &known.variables;
    let mut found: Vec<(&VariableName, Converts)> = Vec::new();
    for (name, conversion) in &draft.converts {
        let from = &conversion.from;
        let refuse = |why: &str| Err(refused(draft, "converting a variable", from, why));
        let Some(new) = draft.variables.iter().find(|new| new.name == *name) else {
            return refuse(&format!("`{name}` is not among the variables of the draft"));
        };
        let to = new.default.kind();
        if let Some(there) = known.variable(name.as_str()).filter(|there| there.kind() == to) {
            let other = there.converts.as_ref().is_some_and(|c| c.conversion != conversion.conversion);
            if other {
                return refuse(&format!("`{name}` takes its values over by another rule already"));
            }
            if name == from || there.converts.is_some() || !has(live, from) {
                continue;
            }
        }
        let old = match known.variable(from.as_str()).or_else(|| known.retired_by_name(from.as_str())) {
            Some(old) => old,
            None => {
                let (component, variable) = (draft.name.clone(), from.to_string());
                return Err(Refusal::UnknownVariable { component, variable });
            }
        };
        if name != from && (has(live, name) || has(&known.retired, name)) {
            return refuse(&format!("there is, or was, a variable `{name}`"));
        }
        if name != from && draft.variables.iter().any(|new| new.name == *from) {
            return refuse("it is among the variables of the draft: leave it out, it is retired with that");
        }
        if draft.renamed.contains_key(name) || draft.renamed.values().any(|renamed| renamed == from) {
            return refuse("it is renamed at the same time");
        }
        if old.converts.is_some() {
            return refuse("it takes over the values of another one itself: wait until it has");
        }
        if taker_of(live, old).is_some() || found.iter().any(|(_, other)| other.from == old.id) {
            return refuse("another variable takes its values over");
        }
        if !new.persisted {
            return refuse(&format!(
                "`{name}` is not persisted: no entity could be stored with what it becomes"
            ));
        }
        if let Err(why) = conversion.conversion.check(old.kind(), to) {
            return refuse(&why);
        }
        found.push((name, Converts { from: old.id, conversion: conversion.conversion.clone() }));
    }
    Ok(found)
}

/// The variable as it is kept when another one takes over its values. Where that has its name, it gets its number behind it.
fn set_aside(
    known: Option<&ComponentType>,
    draft: &ComponentDraft,
    old: &Variable,
    new: &VariableName,
) -> Result<Variable, Refusal> {
    if old.draft.name != *new {
        return Ok(old.clone());
    }
    let name = VariableName::new(format!("{new}.{}", old.id)).map_err(Refusal::from)?;
    let taken = draft.variables.iter().any(|variable| variable.name == name)
        || known.is_some_and(|known| has(&known.variables, &name) || has(&known.retired, &name));
    if taken {
        let why = format!(
            "its old values would be kept as `{name}`, which is another variable: convert it under a new name"
        );
        return Err(refused(draft, "converting a variable", new, &why));
    }
    Ok(Variable { draft: VariableDraft { name, ..old.draft.clone() }, ..old.clone() })
}

/// Refuses what is renamed from nothing, or to what is there.
fn check_renamed(known: &ComponentType, draft: &ComponentDraft) -> Result<(), Refusal> {
    let (live, name) = (&known.variables, &draft.name);
    let listed = |name: &VariableName| draft.variables.iter().any(|new| new.name == *name);
    for (new, old) in &draft.renamed {
        let refuse = |why: &str| {
            let reason = format!("`{name}.{old}` cannot become `{name}.{new}`: {why}");
            Err(Refusal::Invalid { what: "renaming a variable", reason })
        };
        if !listed(new) {
            return refuse("the new name is not among the variables of the draft");
        }
        if has(live, new) && (!has(live, old) || listed(old)) {
            // It was renamed before; another variable may have the old name since.
            continue;
        }
        if has(live, new) {
            return refuse("there is a variable of the new name");
        }
        if has(&known.retired, new) {
            return refuse("a retired variable has the new name");
        }
        if !has(live, old) {
            return Err(Refusal::UnknownVariable { component: name.clone(), variable: old.to_string() });
        }
        if listed(old) {
            return refuse(
                "the old name is among the variables of the draft too; add it in a publication after",
            );
        }
        if draft.retire.contains(old) {
            return refuse("it is retired at the same time");
        }
        if draft.renamed.values().filter(|other| *other == old).count() > 1 {
            return refuse("it has two new names");
        }
    }
    Ok(())
}

/// Refuses to retire what never was, or what is listed.
fn check_retired(known: &ComponentType, draft: &ComponentDraft) -> Result<(), Refusal> {
    for name in &draft.retire {
        if draft.variables.iter().any(|new| new.name == *name) {
            let reason =
                format!("`{}.{name}` is among the variables of the draft too: leave it out", draft.name);
            return Err(Refusal::Invalid { what: "retiring a variable", reason });
        }
        if !has(&known.variables, name) && !has(&known.retired, name) {
            return Err(Refusal::UnknownVariable {
                component: draft.name.clone(),
                variable: name.to_string(),
            });
        }
    }
    Ok(())
}
