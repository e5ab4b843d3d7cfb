import { expect, test } from 'vitest'
import { acuse } from './acuse.ts'
import { createTestDatabase } from './database.ts'

test('migrate applies what is pending once, and verify tells', async () => {
  const { url } = await createTestDatabase()
  const pending = await acuse(['migrate', '--store', url, '--verify'])
  expect(pending.exitCode).toBe(1)
  expect(pending.errors).toContain('ACUSE_MIGRATION_PENDING')

  const applied = await acuse(['migrate', '--store', url])
  expect(applied).toMatchObject({ exitCode: 0, errors: '' })
  expect(applied.output).toMatch(
    /^Applied 0001-log, 0002-store.* to schema acuse of postgres(ql)?:\/\/127\.0\.0\.1:\d+\/test_\w+\.$/,
  )

  const again = await acuse(['migrate', '--json'], { DATABASE_URL: url })
  expect(JSON.parse(again.output)).toEqual({ schema: 'acuse', applied: [] })
  expect(await acuse(['migrate', '--verify'], { ACUSE_STORE: url })).toMatchObject({ exitCode: 0 })
})

test('migrate prints SQL that another tool can run', async () => {
  const { url, pool } = await createTestDatabase()
  const printed = await acuse(['migrate', '--print', '--schema', 'messaging'])
  expect(printed.exitCode).toBe(0)
  await pool.query(printed.output)
  expect(await acuse(['migrate', '--verify', '--store', url, '--schema', 'messaging'])).toMatchObject({ exitCode: 0 })
})

test('what is called wrongly exits with 2, what fails with 1, and no password is printed', async () => {
  expect(await acuse(['migrate', '--no-such-option'])).toMatchObject({ exitCode: 2 })
  expect(await acuse(['migrate'])).toMatchObject({ exitCode: 1, errors: expect.stringContaining('Say the database') })
  expect(await acuse(['migrate'], { DATABASE_URL: 'mysql://db' })).toMatchObject({
    exitCode: 1,
    errors: 'acuse: $DATABASE_URL must be a postgres:// address. (ACUSE_CONFIGURATION)',
  })
  const refused = await acuse(['doctor', '--store', 'postgres://somebody:secret@127.0.0.1:1/none'])
  expect(refused.exitCode).toBe(1)
  expect(refused.output + refused.errors).toContain('ECONNREFUSED')
  expect(refused.output + refused.errors).not.toContain('secret')
  const help = await acuse(['--help'])
  expect(help.exitCode).toBe(0)
  for (const command of ['migrate', 'relay', 'dead-letters', 'groups', 'doctor']) expect(help.output).toContain(command)
})
