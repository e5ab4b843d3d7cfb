export { type CrashPointHit, armCrashPoints } from './crash-points.ts'
export { eventually, type EventuallyOptions } from './eventually.ts'
export { createMemoryDatabase, type MemoryDatabase } from './memory-database.ts'
export { MemoryConflictError } from './memory-errors.ts'
export type { MemoryFaultPoint } from './memory-faults.ts'
export { memoryStore } from './memory-store.ts'
export type { MemoryTable, MemoryTx } from './memory-transaction.ts'
export { memoryTransport, type MemoryTransportFactory } from './memory-transport.ts'
export { type Applied, testBus, type TestBus, type TestBusOptions } from './test-bus.ts'
export { createVirtualClock, type Duration, type VirtualClock } from './virtual-clock.ts'
export { type FaultProxy, type ProxyFault, startFaultProxy } from './fault-proxy.ts'
export type { SimulationProblem } from './simulation/audit.ts'
export { type Fault, type FaultKind, faultKinds } from './simulation/faults.ts'
export type { Effect } from './simulation/ledger.ts'
export type { ServerName } from './simulation/link.ts'
export type { SimulationRandom } from './simulation/random.ts'
export { runSimulation, type RunOptions, type SimulationPlan, type SimulationRun } from './simulation/run.ts'
export type {
  Scenario,
  SimulatedActor,
  SimulatedPlace,
  SimulatedService,
  SimulatedWorld,
  SimulationOutcome,
} from './simulation/scenario.ts'
export { simulate, SimulationFailure, type SimulateOptions, type SimulationSummary } from './simulation/simulate.ts'
