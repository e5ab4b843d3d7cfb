import type { EmbeddedServer } from '@acuse/postgres/embedded'

import { openDatabase } from './database.ts'
import type { Database } from './database.ts'

/** One for each service, and one for the audit. */
const PURPOSES = ['orders', 'inventory', 'payments', 'audit'] as const
export type Purpose = (typeof PURPOSES)[number]
export type RunDatabases = Readonly<Record<Purpose, Database>>

/** Any number that no other program takes a lock of on this server. */
const RUN_LOCK = 4_000_100

/** The databases of one run, and the lock that keeps other runs out of the folder. */
export interface OpenedDatabases {
  databases: RunDatabases
  /** Makes the one between the services, where that is what the transport is. Gives its address. */
  createBus: () => Promise<string>
  /** Takes the lock again after the server was restarted. Rejects if another run has it. */
  lockAgain: () => Promise<void>
  close: () => Promise<void>
}

/**
 * Makes fresh databases and drops those of earlier runs. Their names carry the run's id: a process that an earlier run
 * left behind can write into nothing that is of this one.
 *
 * Rejects when another run has the folder.
 */
export async function createRunDatabases(server: EmbeddedServer, runId: string): Promise<OpenedDatabases> {
  const admin = openDatabase(server.url(), 1)
  const opened: Database[] = [admin]
  const close = async (): Promise<void> => {
    await Promise.all(opened.map((database) => database.close()))
  }
  // The lock lives as long as the admin's one connection.
  const lockAgain = async (): Promise<void> => {
    const [row] = await admin.query<{ locked: boolean }>(`select pg_try_advisory_lock(${RUN_LOCK}) as locked`)
    if (row?.locked === true) return
    throw new Error(`another marketplace runs in ${server.folder}; stop it, or take another --folder`)
  }
  try {
    await lockAgain()
    const purposes = [...PURPOSES, 'bus'].join('|')
    const earlier = await admin.query<{ name: string }>(
      `select quote_ident(datname) as name from pg_database where datname ~ '^(${purposes})_[0-9a-z]+$'`,
    )
    for (const { name } of earlier) await admin.query(`drop database if exists ${name} with (force)`)
    const databases: Partial<Record<Purpose, Database>> = {}
    for (const purpose of PURPOSES) {
      const database = openDatabase(await server.createDatabase(`${purpose}_${runId}`))
      opened.push(database)
      databases[purpose] = database
    }
    // Each purpose was given its database just now.
    const createBus = (): Promise<string> => server.createDatabase(`bus_${runId}`)
    return { databases: databases as RunDatabases, createBus, lockAgain, close }
  } catch (error) {
    await close()
    throw error
  }
}
