export { type ForeignServerOptions, natsConsumer, type NatsConsumerOptions } from './foreign-consumer.ts'
export { type NatsForwardOptions, natsForwardSubject } from './foreign-subject.ts'
export { nats, type NatsOptions } from './nats.ts'
export type { UnsafeSetting } from './settings.ts'
