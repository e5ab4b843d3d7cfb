export { kafka, type KafkaOptions, type KafkaSasl } from './kafka.ts'
export type { UnsafeSetting } from './settings.ts'
