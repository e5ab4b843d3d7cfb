import { describe, expect, it } from 'vitest'
import { AcuseError } from '@acuse/core'
import { classify } from '../../src/store/classify.ts'

const withCode = (code: string, message = 'x'): Error => Object.assign(new Error(message), { code })

describe('classify', () => {
  it.each(['40001', '40P01', 'P2034'])('%s is a conflict', (code) => {
    expect(classify(withCode(code))).toBe('conflict')
  })

  it.each([
    ...['08000', '08006', '08P01', '57P01', '57P02', '57P03', '53100', '53300', '53400', '25006', '58030'],
    ...['P1001', 'P1008', 'P1017', 'P2037', 'CONNECTION_CLOSED', 'CONNECTION_ENDED', 'CONNECT_TIMEOUT'],
    ...['ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'EPIPE', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH'],
  ])('%s means that the database is away', (code) => {
    expect(classify(withCode(code))).toBe('unavailable')
  })

  it.each([
    'Connection terminated',
    'Connection terminated unexpectedly',
    'Connection terminated due to connection timeout',
    'Client has encountered a connection error and is not queryable',
    'insert into t values ($1) - Connection terminated unexpectedly',
    'Knex: Timeout acquiring a connection. The pool is probably full.',
    'Transaction API error: Unable to start a transaction in the given time.',
    'timeout exceeded when trying to connect',
    'Query runner already released. Cannot run queries anymore.',
  ])('“%s” means that the database is away', (message) => {
    expect(classify(new Error(message))).toBe('unavailable')
  })

  it.each(['23505', '57014', '55P03', '25P02', '25P03', '22P02', 'P0001', '080', '08', 'E_OWN'])(
    '%s is the handler’s own',
    (code) => {
      expect(classify(withCode(code))).toBe('other')
    },
  )

  it('looks through what mappers wrap around the driver’s error', () => {
    expect(classify(new Error('Failed query', { cause: withCode('40001') }))).toBe('conflict')
    expect(classify(Object.assign(new Error('failed'), { driverError: withCode('57P01') }))).toBe('unavailable')
    const inPrisma = { driverAdapterError: new Error('x', { cause: { kind: 'postgres', originalCode: '57P01' } }) }
    expect(classify(Object.assign(withCode('P2010'), { meta: inPrisma }))).toBe('unavailable')
    expect(classify(new AcuseError('ACUSE_HANDLER_TIMEOUT', 'x', { cause: withCode('40P01') }))).toBe('conflict')
  })

  it('takes Acuse’s own word', () => {
    expect(classify(new AcuseError('ACUSE_STORE_UNAVAILABLE', 'x'))).toBe('unavailable')
    expect(classify(new AcuseError('ACUSE_READ_ONLY', 'x'))).toBe('unavailable')
    expect(classify(new AcuseError('ACUSE_TRANSACTION_ABORTED', 'x'))).toBe('other')
  })

  it('knows nothing of what is no error, and ends where a cause leads back to itself', () => {
    for (const thrown of [undefined, null, 'x', 42, {}, Symbol('x'), Object.create(null)])
      expect(classify(thrown)).toBe('other')
    const loop = new Error('x')
    loop.cause = loop
    expect(classify(loop)).toBe('other')
  })
})
