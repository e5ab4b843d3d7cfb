export { EmbeddedServerError } from './errors.ts'
export type { StopMode } from './postmaster.ts'
export { startEmbedded, type EmbeddedOptions, type EmbeddedServer } from './server.ts'
