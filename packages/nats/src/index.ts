export { nats, type NatsOptions } from './nats.ts'
export type { UnsafeSetting } from './settings.ts'
