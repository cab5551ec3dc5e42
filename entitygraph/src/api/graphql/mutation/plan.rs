//! From inputs to one transaction, and from its outcome to a payload.
//!
//! Each input has a `plan` that adds its operations and preconditions to a [`Plan`]; single mutations and `commit` share
//! it, so no rule exists twice. A refusal, here or in the store, is an answer (`Refusal`); only faults are errors.

use std::{fmt, sync::Arc};

use async_graphql::{Context, Object, SimpleObject, Union, Value as Const};
use entitygraph_schema::{
    Catalog, EntityId, IdRange, Operation, OperationId, Precondition, Receipt, Refusal, Revision, Transaction,
};
use entitygraph_store::{Error, MOVED, is_move};
use sha2::{Digest, Sha256};

use super::commit::{OperationInput, PreconditionInput};
use crate::{
    Graph,
    api::{
        error::Fault,
        graphql::{
            context::{Access, graph},
            object::entity::{Node, nodes},
            page::tree_cost,
            scalar::{ChangeCursor, Int64},
        },
    },
};

/// A transaction in the making.
pub struct Plan<'a> {
    /// The service, for what must be looked up.
    pub graph: &'a Graph,
    /// Names are resolved in this snapshot.
    pub catalog: Arc<Catalog>,
    /// The entity that the mutation is about.
    pub entity: Option<EntityId>,
    created: Vec<EntityId>,
    transaction: Transaction,
    /// Ids that were leased for it and not taken yet.
    leased: Option<IdRange>,
    /// How many of its operations still need one.
    unnamed: u64,
}

impl Plan<'_> {
    /// An id for a new entity. The first one takes those of all operations that need one.
    pub async fn new_id(&mut self) -> Result<EntityId, Fault> {
        let range = match self.leased.take() {
            Some(range) => range,
            None => self.graph.lease_ids(self.unnamed.max(1)).await?,
        };
        self.unnamed = self.unnamed.saturating_sub(1);
        let next = range.first.checked_add(1).filter(|_| range.count > 1);
        self.leased = next.map(|first| IdRange { first, count: range.count - 1 });
        Ok(range.first)
    }

    /// Adds an operation.
    pub fn push(&mut self, operation: Operation) {
        self.transaction.operations.push(operation);
    }

    /// Adds a precondition.
    pub fn expect(&mut self, precondition: Precondition) {
        self.transaction.preconditions.push(precondition);
    }

    /// Says which entity the mutation is about, and at which revision its caller believes it to be.
    pub fn about(&mut self, entity: EntityId, revision: Option<Int64>) -> Result<(), Refusal> {
        self.entity = Some(entity);
        if let Some(revision) = revision {
            let revision = Revision::from_number(revision.unsigned("the expected revision")?);
            self.expect(Precondition::Revision(entity, revision));
        }
        Ok(())
    }

    /// Says which entity an operation creates.
    pub fn creates(&mut self, entity: EntityId) {
        self.entity = Some(entity);
        self.created.push(entity);
    }
}

/// A committed transaction, durable and seen by every later request to this server.
pub struct Committed {
    pub(super) receipt: Receipt,
    entity: Option<EntityId>,
    created: Vec<EntityId>,
}

impl Committed {
    /// Of a transaction that is about no entity in particular.
    pub(super) fn of_many(self) -> Self {
        Self { entity: None, ..self }
    }
}

/// A committed transaction, durable and seen by every later request to this server.
#[Object]
impl Committed {
    /// Its number in the change sequence.
    async fn cursor(&self) -> ChangeCursor {
        ChangeCursor(self.receipt.cursor)
    }

    /// Whether this is the outcome of an earlier call with the same operation id.
    async fn replayed(&self) -> bool {
        self.receipt.replayed
    }

    /// The entity that was created or changed, as it is now; null once it is buried, and for `commit` and links.
    async fn entity(&self, ctx: &Context<'_>) -> Result<Option<Node>, Fault> {
        let Some(entity) = self.entity else { return Ok(None) };
        Ok(Access::of(ctx).entity(entity).await?.map(Node))
    }

    /// The created entities in order: of an instance its first one, not the children that it came with.
    #[graphql(complexity = "tree_cost(child_complexity)")]
    async fn created(&self, ctx: &Context<'_>) -> Result<Vec<Node>, Fault> {
        nodes(ctx, &self.created).await
    }
}

/// Why nothing was done. The caller can mend it.
#[derive(Debug, SimpleObject)]
#[graphql(name = "Refusal")]
pub struct Refused {
    /// Stable, for programs: `STALE_REVISION`, `UNKNOWN_ENTITY`, `CYCLE` and so on.
    code: &'static str,
    /// What, where, why, and what to do next.
    message: String,
}

impl From<&Refusal> for Refused {
    fn from(refusal: &Refusal) -> Self {
        Self { code: refusal.code(), message: refusal.to_string() }
    }
}

/// Outcome of a mutation.
#[derive(Union)]
pub enum CommitResult {
    /// It was done.
    Committed(Committed),
    /// It was refused.
    Refused(Refused),
}

/// A refusal as a value, a fault as an error.
pub(super) fn answer<T, R>(
    outcome: Result<T, Fault>,
    ok: fn(T) -> R,
    refused: fn(Refused) -> R,
) -> Result<R, Fault> {
    match outcome {
        Ok(done) => Ok(ok(done)),
        Err(fault) => match fault.error() {
            Error::Refused(refusal) => Ok(refused(refusal.into())),
            _ => Err(fault),
        },
    }
}

/// Commits one operation as a transaction.
pub(super) async fn run(
    ctx: &Context<'_>,
    operation_id: Option<String>,
    expect: Option<Vec<PreconditionInput>>,
    operation: OperationInput,
) -> Result<CommitResult, Fault> {
    let outcome = commit(ctx, operation_id, expect, vec![operation]).await;
    answer(outcome, CommitResult::Committed, CommitResult::Refused)
}

/// Commits operations as one transaction; a refusal is the error that it is.
pub(super) async fn commit(
    ctx: &Context<'_>,
    operation_id: Option<String>,
    expect: Option<Vec<PreconditionInput>>,
    operations: Vec<OperationInput>,
) -> Result<Committed, Fault> {
    let graph = graph(ctx);
    let (entity, created, transaction) = match prepare(ctx, operation_id, expect, operations).await {
        Ok(plan) => (plan.entity, plan.created, plan.transaction),
        Err(fault) => {
            graph.metrics().refusals.with_label_values(&[fault.error().code()]).inc();
            return Err(fault);
        }
    };
    let receipt = graph.commit(transaction).await?;
    if receipt.replayed && !created.is_empty() {
        // The first attempt created others: their ids stand in its commit.
        let created =
            graph.created_by(receipt.cursor).await.map_err(|error| Fault::from(error).after_commit())?;
        return Ok(Committed { receipt, entity: entity.and(created.last().copied()), created });
    }
    Ok(Committed { receipt, entity, created })
}

async fn prepare<'a>(
    ctx: &Context<'a>,
    operation_id: Option<String>,
    expect: Option<Vec<PreconditionInput>>,
    operations: Vec<OperationInput>,
) -> Result<Plan<'a>, Fault> {
    let graph = graph(ctx);
    let (count, max) = (operations.len(), graph.config().limits.transaction_operations);
    if count > max {
        return Err(Refusal::TooMany {
            what: "operations in one transaction",
            count: count as u64,
            max: max as u64,
        }
        .into());
    }
    let mut transaction = Transaction::default();
    if let Some(operation_id) = operation_id {
        let operation_id = OperationId::new(operation_id).map_err(Fault::text)?;
        if is_move(&operation_id) {
            let reason = format!("those that begin with {MOVED:?} are of restore and copy: take another one");
            return Err(Refusal::Invalid { what: "the operation id", reason }.into());
        }
        transaction.operation_id = Some(operation_id);
        transaction.request = Some(fingerprint(ctx)?);
    }
    let unnamed = operations.iter().filter(|operation| operation.needs_id()).count() as u64;
    let catalog = graph.catalog();
    let mut plan =
        Plan { graph, catalog, entity: None, created: Vec::new(), transaction, leased: None, unnamed };
    for precondition in expect.unwrap_or_default() {
        precondition.plan(&mut plan)?;
    }
    for operation in operations {
        operation.plan(&mut plan).await?;
    }
    Ok(plan)
}

/// SHA-256 of the field and its arguments with the variables filled in, whatever the order of the fields of an object.
fn fingerprint(ctx: &Context<'_>) -> Result<[u8; 32], Refusal> {
    let field = ctx.field();
    let unclear =
        |error: async_graphql::ServerError| Refusal::Invalid { what: "the arguments", reason: error.message };
    let arguments = field.arguments().map_err(unclear)?;
    let mut text = Canonical(Sha256::new());
    text.part(field.name());
    text.value(&Const::Object(arguments.into_iter().collect()));
    Ok(text.0.finalize().into())
}

/// Feeds a value to a hash so that equal values, and only those, feed the same bytes.
struct Canonical(Sha256);

impl Canonical {
    fn part(&mut self, part: impl fmt::Display) {
        let part = part.to_string();
        self.0.update((part.len() as u64).to_be_bytes());
        self.0.update(part);
    }

    fn value(&mut self, value: &Const) {
        match value {
            Const::List(list) => {
                self.part(format_args!("list {}", list.len()));
                list.iter().for_each(|value| self.value(value));
            }
            Const::Object(object) => {
                self.part(format_args!("object {}", object.len()));
                let mut fields: Vec<_> = object.iter().collect();
                fields.sort_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
                for (name, value) in fields {
                    self.part(name);
                    self.value(value);
                }
            }
            // An enum is a name in the document and a string in the variables.
            Const::Enum(name) => self.part(format_args!("\"{name}\"")),
            scalar => self.part(scalar),
        }
    }
}
