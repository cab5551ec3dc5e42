//! Types become object containers `eve/CATEGORY/TYPE`, such as `eve/ship/587` for the Rifter.
//!
//! The category stands in the name because it cannot change without making another thing of the type, and so that all
//! ships are the containers whose names begin with `eve/ship/`. The readable name is a value: it changes, and is not unique.

use std::{
    collections::{BTreeSet, HashMap},
    io,
    ops::ControlFlow,
    sync::Arc,
};

use entitygraph_schema::{
    Catalog, Components, ContainerDraft, ContainerName, Kind, Label, Source, text::TextError,
};
use tokio::sync::mpsc;

use super::{
    components::{Dogma, Type as TypeValues, TypeName, Vocabulary},
    reading::{Account, Reading},
    tables::{Tables, Texts},
    values::Number,
};
use crate::{
    eve::{At, Entry, Type, TypeDogma},
    load::{Origin, Sourced},
};

/// Containers handed over at a time.
const CHUNK: usize = 2048;

/// Groups whose types are bodies of the map, with the kind of their instances. The kind says all that labels would.
const BODIES: [(u64, &str); 7] = [
    (6, "star"),
    (7, "planet"),
    (8, "moon"),
    (9, "belt"),
    (10, "stargate"),
    (15, "station"),
    (995, "second_sun"),
];

/// Names of the containers by type.
pub(super) type TypeNames = HashMap<u64, ContainerName>;

/// Reads all types and sends their containers. Returns what was sent, or nothing when nobody listens any more.
pub(super) fn send(
    reading: &mut Reading,
    tables: &Tables,
    vocabulary: &Vocabulary,
    outgoing: &mpsc::Sender<Vec<Sourced<ContainerDraft>>>,
) -> io::Result<Option<TypeNames>> {
    let mut dogma: HashMap<u64, (At, TypeDogma)> =
        reading.collect(|_, entry: Entry<TypeDogma>| (entry.id, (entry.at, entry.record)))?;
    let mut names = TypeNames::new();
    let mut chunk = Vec::new();
    let mapper = Mapper { tables, vocabulary };
    let flow = reading.each(|account, entry: Entry<Type>| {
        let (id, at) = (entry.id, entry.at);
        match mapper.container(id, entry.record, dogma.remove(&id), account) {
            Ok(draft) => {
                names.insert(id, draft.name.clone());
                chunk.push(Sourced::new(origin(id, &at), draft));
            }
            Err(reason) => account.problem(&at, "", format!("{reason}; the type is left out")),
        }
        if chunk.len() >= CHUNK && outgoing.blocking_send(std::mem::take(&mut chunk)).is_err() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    let mut left: Vec<_> = dogma.into_iter().collect();
    left.sort_by_key(|(id, _)| *id);
    for (id, (at, _)) in left {
        reading.account.problem(&at, "", format!("there is no type {id}; its attributes are left out"));
    }
    let ended = flow.is_break() || outgoing.blocking_send(chunk).is_err();
    Ok((!ended).then_some(names))
}

fn origin(id: u64, at: &At) -> Origin {
    Origin::file(Arc::clone(&at.file)).at(u32::try_from(at.line).unwrap_or(u32::MAX), 1).part(id.to_string())
}

struct Mapper<'a> {
    tables: &'a Tables,
    vocabulary: &'a Vocabulary,
}

impl Mapper<'_> {
    fn container(
        &self,
        id: u64,
        record: Type,
        dogma: Option<(At, TypeDogma)>,
        account: &mut Account,
    ) -> Result<ContainerDraft, String> {
        let tables = self.tables;
        let (category_id, group) = tables
            .groups
            .get(&record.group_id)
            .ok_or_else(|| format!("there is no group {}", record.group_id))?;
        let category = tables
            .categories
            .get(category_id)
            .ok_or_else(|| format!("there is no category {category_id}"))?;
        count_unused(&record, account);
        let body = BODIES.iter().find(|(group, _)| *group == record.group_id).map(|(_, kind)| *kind);
        let slug = slug(category, *category_id);
        let said = |error: TextError| error.to_string();
        let labels = match body {
            Some(_) => BTreeSet::new(),
            None => BTreeSet::from([
                label("category", &slug).map_err(said)?,
                label("group", &self::slug(group, record.group_id)).map_err(said)?,
            ]),
        };
        let mut components = Components::default();
        self.names(&record, &mut components);
        if let Some((at, dogma)) = dogma {
            self.dogma(&at, dogma, account, &mut components);
        }
        let mut draft = ContainerDraft {
            name: ContainerName::new(format!("eve/{slug}/{id}")).map_err(said)?,
            kind: Kind::new(body.unwrap_or(&slug)).map_err(said)?,
            radius: record.radius.map_or(0.0, f64::from),
            zone: None,
            root: false,
            transient: false,
            labels,
            ports: Vec::new(),
            components,
            children: Vec::new(),
        };
        self.values(record, (*category_id, category), group, account, &mut draft.components);
        Ok(draft)
    }

    fn values(
        &self,
        record: Type,
        (category_id, category): (u64, &Arc<str>),
        group: &Arc<str>,
        account: &mut Account,
        to: &mut Components,
    ) {
        let tables = self.tables;
        // Real exports have such numbers; the number is kept, so this is no problem.
        let mut known = |table: &Texts, id: Option<u64>, nameless: &'static str| {
            let text = table.get(&id?).cloned();
            account.unused(nameless, u64::from(text.is_none()));
            text
        };
        // Some types have a corporation for a faction.
        let corporation = record.faction_id.and_then(|id| tables.corporations.get(&id).cloned());
        let values = TypeValues {
            name: Some(record.name.en().into()),
            description: record.description.map(|text| text.en().into()),
            group_id: Some(record.group_id.into()),
            group: Some(Arc::clone(group)),
            category_id: Some(category_id.into()),
            category: Some(Arc::clone(category)),
            meta_group_id: record.meta_group_id.map(Number::from),
            meta_group: known(
                &tables.meta_groups,
                record.meta_group_id,
                "fsd/types.yaml: name for metaGroupID (the number is kept)",
            ),
            market_group_id: record.market_group_id.map(Number::from),
            market_path: record.market_group_id.map(|id| tables.market_path(id)),
            race_id: record.race_id.map(Number::from),
            // Some types are for several races and add their numbers up.
            race: known(
                &tables.races,
                record.race_id,
                "fsd/types.yaml: name for raceID (the number is kept)",
            ),
            faction_id: record.faction_id.map(Number::from),
            faction: corporation.or_else(|| {
                known(
                    &tables.factions,
                    record.faction_id,
                    "fsd/types.yaml: name for factionID (the number is kept)",
                )
            }),
            published: Some(record.published),
            portion_size: Some(record.portion_size.into()),
            mass: record.mass,
            volume: record.volume,
            capacity: record.capacity,
            base_price: record.base_price,
            variation_parent_type_id: record.variation_parent_type_id.map(Number::from),
            graphic_id: record.graphic_id.map(Number::from),
            icon_id: record.icon_id.map(Number::from),
            sound_id: record.sound_id.map(Number::from),
            sof_faction_name: record.sof_faction_name.map(Arc::from),
            sof_material_set_id: record.sof_material_set_id.map(Number::from),
        };
        self.vocabulary.Type.write(to, values);
    }

    fn names(&self, record: &Type, to: &mut Components) {
        let english = record.name.en();
        let other = |language| record.name.get(language).filter(|name| *name != english).map(Arc::from);
        let names = TypeName {
            de: other("de"),
            es: other("es"),
            fr: other("fr"),
            it: other("it"),
            ja: other("ja"),
            ko: other("ko"),
            ru: other("ru"),
            zh: other("zh"),
        };
        self.vocabulary.TypeName.write(to, names);
    }

    fn dogma(&self, at: &At, dogma: TypeDogma, account: &mut Account, to: &mut Components) {
        let (mut attributes, mut values) = (Vec::new(), Vec::new());
        for attribute in dogma.attributes {
            let id = attribute.attribute_id;
            match self.tables.attributes.get(&id) {
                Some(name) => attributes.push(Arc::clone(name)),
                None => {
                    account.problem(
                        at,
                        "dogmaAttributes",
                        format!("there is no attribute {id}; kept by number"),
                    );
                    attributes.push(id.to_string().into());
                }
            }
            values.push(attribute.value);
        }
        let effects = |wanted: fn(&crate::eve::EffectUse) -> bool| {
            dogma
                .effects
                .iter()
                .filter(|effect| wanted(effect))
                .map(|effect| effect.effect_id.into())
                .collect()
        };
        let values = Dogma {
            attributes: Some(attributes),
            values: Some(values),
            effect_ids: Some(effects(|_| true)),
            default_effect_ids: Some(effects(|effect| effect.is_default)),
        };
        self.vocabulary.Dogma.write(to, values);
    }
}

/// Counts what a type has and its container does not.
fn count_unused(record: &Type, account: &mut Account) {
    let languages = record.description.iter().flat_map(|text| text.iter());
    let others = languages.filter(|(language, _)| *language != "en").count();
    account.unused("fsd/types.yaml: description in another language", others as u64);
    const KEPT: [&str; 9] = ["en", "de", "es", "fr", "it", "ja", "ko", "ru", "zh"];
    let unknown = record.name.iter().filter(|(language, _)| !KEPT.contains(language)).count();
    account.unused("fsd/types.yaml: name in a language without a variable", unknown as u64);
    account.unused("fsd/types.yaml: traits", u64::from(record.traits.is_some()));
    account.unused("fsd/types.yaml: masteries", u64::from(!record.masteries.is_empty()));
}

/// `Freight Container` becomes `freight-container`; a name without letters and digits becomes the id.
fn slug(name: &str, id: u64) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let slug = words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-");
    if slug.is_empty() { id.to_string() } else { slug }
}

/// `SORT/SLUG`, cut to what a label may have.
fn label(sort: &str, slug: &str) -> Result<Label, TextError> {
    let text = format!("{sort}/{slug}");
    Label::new(text.get(..Label::MAX_BYTES).unwrap_or(&text))
}

/// What instances of a type take from its container.
#[derive(Clone)]
pub(super) struct Model {
    pub source: Source,
    pub kind: Kind,
    /// Metres; 0 when the export gives none.
    pub radius: f64,
}

/// The containers that were published, by type.
pub(super) struct Models<'a> {
    catalog: &'a Catalog,
    names: &'a TypeNames,
}

impl<'a> Models<'a> {
    pub fn new(catalog: &'a Catalog, names: &'a TypeNames) -> Self {
        Self { catalog, names }
    }

    /// The container of a type.
    pub fn get(&self, type_id: u64) -> Option<Model> {
        let container = self.catalog.container_by_name(self.names.get(&type_id)?.as_str())?;
        let source = Source { container: container.id, slot: None };
        Some(Model { source, kind: container.draft.kind.clone(), radius: container.draft.radius })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_slugs() {
        assert_eq!(slug("Freight Container", 1), "freight-container");
        assert_eq!(slug("♦ Engineering Complex", 1), "engineering-complex");
        assert_eq!(slug("'#System'", 1), "system");
        assert_eq!(slug("舰船", 6), "6");
    }

    #[test]
    fn a_long_label_is_cut() {
        let slug = slug("Structure Combat Rig L - Point Defense Battery Application and Projection", 1);
        let label = label("group", &slug).unwrap();
        assert_eq!(label.as_str(), "group/structure-combat-rig-l-point-defense-battery-application-a");
    }
}
