import { consumerMutations } from './list-consumer.ts'
import { logMutations } from './list-log.ts'
import type { BrokerMutation, Mutation } from './mutation.ts'
import { parkedMutations } from './list-parked.ts'

export const mutations: readonly Mutation[] = [...logMutations, ...consumerMutations, ...parkedMutations]

export const brokerMutations: readonly BrokerMutation[] = [
  { name: 'no publisher confirms', transport: 'rabbitmq' },
  { name: 'no mandatory: an unroutable message counts as sent', transport: 'rabbitmq' },
]
