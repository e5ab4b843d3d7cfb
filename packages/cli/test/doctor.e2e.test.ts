import { expect, test } from 'vitest'
import { acuse } from './acuse.ts'
import { createTestDatabase } from './database.ts'

interface Report {
  readonly well: boolean
  readonly settings: Readonly<Record<string, string>>
  readonly findings: readonly { readonly code: string; readonly message: string }[]
}

test('doctor tells every finding at once, and that all is well', async () => {
  const { url, pool } = await createTestDatabase()
  const report = async (): Promise<Report> =>
    JSON.parse((await acuse(['doctor', '--json', '--store', url])).output) as Report

  expect((await report()).findings.map(({ code }) => code)).toEqual(['ACUSE_MIGRATION_PENDING'])
  expect(await acuse(['migrate', '--store', url])).toMatchObject({ exitCode: 0 })
  const well = await acuse(['doctor', '--store', url])
  expect(well).toMatchObject({ exitCode: 0, errors: '' })
  expect(well.output).toContain('is well')
  expect((await report()).settings).toMatchObject({ fsync: 'on', server_encoding: 'UTF8' })

  const { rows } = await pool.query<{ name: string }>('select current_database() as name')
  await pool.query(`alter database ${rows[0]?.name} set synchronous_commit = off`)
  await pool.query(`alter database ${rows[0]?.name} connection limit 3`)
  const sick = await acuse(['doctor', '--store', url])
  expect(sick.exitCode).toBe(1)
  expect(sick.output).toContain('✗ ACUSE_UNSAFE_SETTING\n  synchronous_commit is off')
})
