export { type ChannelListener, redisChannel, type RedisChannel, type RedisChannelOptions } from './channel.ts'
export {
  type ForeignServerOptions,
  redisForwardStream,
  type RedisForwardOptions,
  redisStream,
  type RedisStreamOptions,
} from './foreign-stream.ts'
export { redis, type RedisOptions } from './redis.ts'
export type { UnsafeSetting } from './settings.ts'
