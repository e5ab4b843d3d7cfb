import { consumerMutations } from './list-consumer.ts'
import { logMutations } from './list-log.ts'
import { brokerMutations } from './list-broker.ts'
import type { Mutation } from './mutation.ts'
import { parkedMutations } from './list-parked.ts'

export const mutations: readonly Mutation[] = [
  ...logMutations,
  ...consumerMutations,
  ...parkedMutations,
  ...brokerMutations,
]
