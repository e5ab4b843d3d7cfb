import { randomUUID } from 'node:crypto'

import { Client } from 'pg'
import { afterAll, inject } from 'vitest'

export interface Databases {
  /** The address of the database this test file calls so; it is made when it is first asked for. */
  url(name: string): Promise<string>
}

/** Databases of a test file's own, dropped when the file is done. */
export function databases(): Databases {
  const made = new Map<string, Promise<{ database: string; url: string }>>()
  const create = async (): Promise<{ database: string; url: string }> => {
    const database = `test_${randomUUID().replaceAll('-', '')}`
    await onServer(`create database ${database}`)
    const url = new URL(inject('adminUrl'))
    url.pathname = `/${database}`
    return { database, url: url.href }
  }
  afterAll(async () => {
    for (const { database } of await Promise.all(made.values())) {
      await onServer(`drop database if exists ${database} with (force)`)
    }
  })
  return {
    async url(name) {
      const one = made.get(name) ?? create()
      made.set(name, one)
      return (await one).url
    },
  }
}

async function onServer(statement: string): Promise<void> {
  const client = new Client(inject('adminUrl'))
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}
