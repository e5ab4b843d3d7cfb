export { type ChannelListener, redisChannel, type RedisChannel, type RedisChannelOptions } from './channel.ts'
export { redis, type RedisOptions } from './redis.ts'
export type { UnsafeSetting } from './settings.ts'
