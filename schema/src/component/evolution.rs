//! The next version of a component type: which variable of a draft is which one of the type (AC 2.1.4).
//!
//! Values are stored under numbers, so renaming and retiring a variable of a million instances touches none of them. A name
//! stands for one variable of a type, retired ones included.

use super::{ComponentDraft, ComponentType, Variable, VariableDraft};
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
    if let Some(known) = known {
        check_renamed(known, draft)?;
        check_retired(known, draft)?;
    }
    let (live, retired) = known.map_or((&[][..], &[][..]), |known| (&known.variables, &known.retired));
    let mut evolved =
        Evolved { variables: Vec::with_capacity(draft.variables.len()), retired: retired.to_vec() };
    for old in live {
        let name = &old.draft.name;
        if draft.retire.contains(name) {
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
    let mut last = live.iter().chain(retired).map(|v| v.id.get()).max().unwrap_or(0);
    for new in &draft.variables {
        if has(live, old_name(live, draft, new)) {
            continue;
        }
        if let Some(place) = evolved.retired.iter().position(|old| old.draft.name == new.name) {
            evolved.variables.push(kept(draft, &evolved.retired.remove(place), new)?);
            continue;
        }
        let count = u64::from(last) + 1;
        last = last.wrapping_add(1);
        let what = "variables that one component ever had";
        let id = VariableId::new(last).ok_or(Refusal::TooMany { what, count, max: u16::MAX.into() })?;
        evolved.variables.push(Variable { id, draft: new.clone() });
    }
    let (count, max) = (evolved.retired.len() as u64, ComponentType::MAX_RETIRED as u64);
    if count > max {
        return Err(Refusal::TooMany { what: "retired variables", count, max });
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
    Ok(Variable { id: old.id, draft: new.clone() })
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
