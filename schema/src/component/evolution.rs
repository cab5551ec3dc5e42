//! The next version of a component type: which variable of a draft is which one of the type (AC 2.1.4).
//!
//! Values are stored under numbers, so renaming and retiring a variable of a million instances touches none of them.

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
        if draft.retired.contains(name) {
            evolved.retired.push(old.clone());
            continue;
        }
        let new = draft.variables.iter().find(|new| old_name(live, draft, new) == name);
        let new = new.ok_or_else(|| Refusal::VariableDropped {
            component: draft.name.clone(),
            variable: name.clone(),
        })?;
        if new.default.kind() != old.kind() {
            return Err(Refusal::VariableKindChanged {
                component: draft.name.clone(),
                variable: name.clone(),
                from: old.kind(),
                to: new.default.kind(),
            });
        }
        evolved.variables.push(Variable { id: old.id, draft: new.clone() });
    }
    let mut last = live.iter().chain(retired).map(|v| v.id.get()).max().unwrap_or(0);
    for new in &draft.variables {
        if has(live, old_name(live, draft, new)) {
            continue;
        }
        let same = |old: &Variable| old.draft.name == new.name && old.kind() == new.default.kind();
        let id = match evolved.retired.iter().rposition(same) {
            Some(place) => evolved.retired.remove(place).id,
            None => {
                let count = u64::from(last) + 1;
                last = last.wrapping_add(1);
                let what = "variables that one component ever had";
                VariableId::new(last).ok_or(Refusal::TooMany { what, count, max: u16::MAX.into() })?
            }
        };
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

/// The name that a variable of the draft has in the type, if it is there.
fn old_name<'a>(live: &[Variable], draft: &'a ComponentDraft, new: &'a VariableDraft) -> &'a VariableName {
    draft.renamed.get(&new.name).filter(|old| has(live, old)).unwrap_or(&new.name)
}

fn has(variables: &[Variable], name: &VariableName) -> bool {
    variables.iter().any(|variable| variable.draft.name == *name)
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
        if !has(live, old) {
            // It was renamed before, or it never was.
            if has(live, new) {
                continue;
            }
            return Err(Refusal::UnknownVariable { component: name.clone(), variable: old.to_string() });
        }
        if has(live, new) {
            return refuse("there is a variable of the new name; retire it in a publication before");
        }
        if listed(old) {
            return refuse(
                "the old name is among the variables of the draft too; add it in a publication after",
            );
        }
        if draft.retired.contains(old) {
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
    for name in &draft.retired {
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
