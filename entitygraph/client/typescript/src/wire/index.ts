// The wire forms of the stream, to the byte: what docs/protocol.md specifies. Read in this order.
export * from "./kind.js";
export * from "./error.js";
export { type Limits, bodyLimit, limitsDown, limitsUp } from "./limits.js";
export * from "./frame.js";
export { Input, Output, INT_MAX, U32_MAX } from "./bytes.js";
export { handlesBytes, readHandles } from "./handles.js";
export * from "./moment.js";
export { type Cell, type Grid, cellHolding, isCell, isGrid, pointOf, stepsOf } from "./cell.js";
export {
  COORDINATE_MAX,
  type Pose,
  type Quat,
  type Vec3,
  headingOf,
  packRotation,
  rotationOfHeading,
  unpackRotation,
  velocityOf,
  velocitySteps,
} from "./pose.js";
export { VALUE_BYTES_MAX, VALUE_KINDS, type Value, type ValueKind, putValue } from "./value.js";
export * from "./variable.js";
export { LANES, type Lane, type Row, type Slice, type SliceHead, VISIBILITIES, type Visibility, maskOf, readSlice, sliceFrame } from "./state.js";
export { type ExactRow, exactRowFault, exactRowsFields, readExactRows } from "./exact.js";
export * from "./report.js";
export { EVENT_BYTES_MAX, type Event, type Events, eventsFrame, readEvents } from "./event.js";
export * from "./horizon.js";
export * from "./input.js";
export * from "./control.js";
