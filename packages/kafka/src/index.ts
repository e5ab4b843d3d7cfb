export {
  type ForeignClusterOptions,
  kafkaForwardTopic,
  type KafkaForwardOptions,
  kafkaTopic,
  type KafkaTopicOptions,
} from './foreign-topic.ts'
export { kafka, type KafkaOptions, type KafkaSasl } from './kafka.ts'
export type { UnsafeSetting } from './settings.ts'
