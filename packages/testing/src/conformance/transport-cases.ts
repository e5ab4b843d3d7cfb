import type { Case } from './case.ts'
import { groupCases } from './transport-group-cases.ts'
import { ownershipCases } from './transport-ownership-cases.ts'
import { payloadCases } from './transport-payload-cases.ts'
import { publishCases } from './transport-publish-cases.ts'
import { restartCases } from './transport-restart-cases.ts'
import { settleCases } from './transport-settle-cases.ts'
import type { TransportWorld } from './transport-world.ts'

/** Everything a transport has to keep, one case a promise. */
export const transportCases: readonly Case<TransportWorld>[] = [
  ...publishCases,
  ...payloadCases,
  ...groupCases,
  ...settleCases,
  ...ownershipCases,
  ...restartCases,
]
