export { freePort } from './ports.ts'
export { startRabbitMq, type RabbitMq, type RabbitMqOptions, type RabbitMqRelease } from './rabbitmq/server.ts'
export { type Server, type ServerOptions } from './server.ts'
