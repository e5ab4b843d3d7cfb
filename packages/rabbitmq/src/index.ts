export { rabbitmqExchange, type RabbitMqExchangeOptions } from './foreign-exchange.ts'
export { type ForeignServerOptions, rabbitmqQueue, type RabbitMqQueueOptions } from './foreign-queue.ts'
export { rabbitmq, type RabbitMqOptions } from './rabbitmq.ts'
export { ordersAndInventory, topicExchange, topicQueue, type TopicQueue, type TopicTopology } from './topic-topology.ts'
