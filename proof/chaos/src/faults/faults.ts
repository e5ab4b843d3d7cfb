import { crash } from './crash.ts'
import { brokerFaults } from './broker.ts'
import type { Fault } from './fault.ts'
import { freeze } from './freeze.ts'
import { kill } from './kill.ts'
import { networkFaults } from './network.ts'
import { postgresFaults } from './postgres-server.ts'
import type { ChaosTransport } from '../transports/transport.ts'
import { terminate } from './terminate.ts'

/** What can happen whatever the transport is. */
const always: readonly Fault[] = [kill, freeze, terminate, crash, ...networkFaults, ...postgresFaults]

/** All that can happen in a run on this transport. */
export function faultsOf({ hasServer }: Pick<ChaosTransport, 'hasServer'>): readonly Fault[] {
  return hasServer ? [...always, ...brokerFaults] : always
}
