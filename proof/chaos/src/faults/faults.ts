import { crash } from './crash.ts'
import type { Fault } from './fault.ts'
import { freeze } from './freeze.ts'
import { kill } from './kill.ts'
import { networkFaults } from './network.ts'
import { postgresFaults } from './postgres-server.ts'
import { terminate } from './terminate.ts'

/** What can happen whatever the transport is. */
export const faults: readonly Fault[] = [kill, freeze, terminate, crash, ...networkFaults, ...postgresFaults]
