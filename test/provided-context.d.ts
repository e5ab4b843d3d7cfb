import 'vitest'

declare module 'vitest' {
  interface ProvidedContext {
    /** Where the run's own PostgreSQL takes connections as a superuser. Tests create databases of their own there. */
    readonly adminUrl: string
  }
}
