export {
  type ForeignClusterOptions,
  kafkaForwardTopic,
  type KafkaForwardOptions,
  kafkaTopic,
  type KafkaTopicOptions,
} from './foreign-topic.ts'
export { kafka, type KafkaOptions } from './kafka.ts'
export type { KafkaSasl } from './login.ts'
export type { UnsafeSetting } from './settings.ts'
