export { rabbitmq, type RabbitMqOptions } from './rabbitmq.ts'
