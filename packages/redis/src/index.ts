export { redis, type RedisOptions } from './redis.ts'
export type { UnsafeSetting } from './settings.ts'
