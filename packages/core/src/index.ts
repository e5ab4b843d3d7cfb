export { asyncApi, type CatalogueInfo, type Document } from './async-api.ts'
export { Breaker, type BreakerOptions, type BreakerState } from './breaker.ts'
export {
  type Bus,
  type BusOptions,
  type BusState,
  type CancelOptions,
  createBus,
  type Published,
  type StopOptions,
} from './bus.ts'
export { type Clock, pause, systemClock } from './clock.ts'
export { cloudEvents, type CloudEventsOptions } from './cloud-events.ts'
export type { Codec, Encoded } from './codec.ts'
export { type CrashPoint, crashPoints } from './crash-points.ts'
export {
  assertGivenOnce,
  type Credentials,
  CredentialSource,
  type CredentialSourceOptions,
  type CredentialsProvider,
  refusedCredentials,
} from './credentials.ts'
export { type CronTimes, parseCron } from './cron.ts'
export type { DeadLetters, ReplayOptions } from './dead-letters.ts'
export { type Diagnostics, listen, point, tell } from './diagnostics.ts'
export { type Drainable, type DrainOptions, drainOnSignals } from './drain.ts'
export {
  AcuseError,
  codeOf,
  ConfigurationError,
  DependencyDownError,
  type ErrorCode,
  errorCodes,
  messageOf,
  NotInTransactionError,
  PublishAfterHandlerError,
} from './errors.ts'
export type * from './foreign.ts'
export type { ForeignMapping } from './foreign-reading.ts'
export type { ForwardOptions } from './forward-group.ts'
export type { Group } from './group.ts'
export type { GroupState } from './group-runner.ts'
export {
  type BatchHandler,
  type BatchOptions,
  deadLetter,
  type ExternalContext,
  type ExternalHandler,
  type ExternalOptions,
  type GroupBreakerOptions,
  type GroupOptions,
  type Handler,
  type HandlerContext,
  type HandlerPublish,
  type HandlerPublishOptions,
  type HandlerResult,
  type Outcome,
  retryAfter,
  type TransactionContext,
} from './handler.ts'
export {
  type History,
  type HistoryProgress,
  type HistoryReplay,
  type HistoryRequest,
  replayHistory,
  type ReplayHistoryOptions,
} from './history.ts'
export { derivedId, newId } from './ids.ts'
export { Intake, type IntakeOptions, type Received } from './intake.ts'
export { KeyedPublishing } from './keyed-publishing.ts'
export { Opened } from './opened.ts'
export type { OwnablePartition } from './lease-shares.ts'
export type { ClaimedLease, GroupLeases, Lease, LeaseMember, LeaseTable } from './lease-table.ts'
export { Loop, type LoopOptions } from './loop.ts'
export {
  type AnyMessageType,
  type Envelope,
  type Message,
  type MessageType,
  type OutgoingMessage,
  priorities,
  type Priority,
  type PublishOptions,
  type Upcaster,
  type WireMessage,
} from './message.ts'
export { checkAtLeast, checkName } from './names.ts'
export { nestEvents } from './nest-events.ts'
export type { TraceSource } from './outgoing.ts'
export { Ownership, type OwnershipHooks, type OwnershipOptions } from './ownership.ts'
export { partitionHash } from './partition.ts'
export { plainEnvelope } from './plain-envelope.ts'
export { Relay, type RelayOptions, type RelayState } from './relay.ts'
export { relayGroup } from './relay-parking.ts'
export type { StalledKey } from './relay-stalls.ts'
export {
  type BackoffOptions,
  byError,
  type ErrorMatch,
  exponential,
  isNetworkError,
  linear,
  noRetry,
  type RetryDecision,
  type RetryPolicy,
  type RetryPresets,
  retryPresets,
} from './retry.ts'
export {
  type Correlation,
  type Reaction,
  Saga,
  saga,
  type SagaPublish,
  type SagaStep,
  type TimeoutReaction,
} from './saga.ts'
export type { CronOptions } from './scheduler.ts'
export type { StandardIssue, StandardResult, StandardSchema } from './schema.ts'
export type * from './store.ts'
export { type MessageDeclaration, type Stream, type StreamOptions, stream } from './stream.ts'
export type * from './transport.ts'
