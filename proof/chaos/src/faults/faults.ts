import { brokerFaults, nodeFaults } from './broker.ts'
import { crash } from './crash.ts'
import type { Fault } from './fault.ts'
import { freeze } from './freeze.ts'
import { kill } from './kill.ts'
import { networkFaults } from './network.ts'
import { postgresFaults } from './postgres-server.ts'
import type { ChaosTransport } from '../transports/transport.ts'
import { terminate } from './terminate.ts'

/** What can happen whatever the transport is. */
const always: readonly Fault[] = [kill, freeze, terminate, crash, ...networkFaults, ...postgresFaults]

/** All that can happen in a run on this transport with so many nodes. */
export function faultsOf(
  { sizes, faults = [] }: Pick<ChaosTransport, 'sizes' | 'faults'>,
  nodes = 1,
): readonly Fault[] {
  if (sizes.length === 0) return always
  return [...always, ...(nodes === 1 ? brokerFaults : nodeFaults), ...faults]
}
