export {
  embedded,
  type EmbeddedStoreOptions,
  openEmbedded,
  type OpenEmbedded,
  type OpenEmbeddedOptions,
} from './clients/embedded.ts'
export { pg } from './clients/pg.ts'
export type { Budget } from './budget.ts'
export { deleteGroup, type GroupsOptions, type GroupSummary, listGroups } from './groups.ts'
export type { LogOptions } from './log/transport.ts'
export { migrate, type MigrateMode, type MigrateOptions } from './migrate.ts'
export { type ExportedMigration, exportMigrations } from './migration-files.ts'
export type { UnsafeSetting } from './settings.ts'
export type { ResultRow, SqlClient } from './sql-client.ts'
export { postgres, type TransportOptions } from './transport.ts'
export { createSqlStore, type SqlStoreOptions, type StoreOptions } from './store/create-store.ts'
