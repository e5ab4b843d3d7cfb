import { describe, expect, it } from 'vitest'
import { Addresses } from '../src/addresses.ts'

describe('addresses of RabbitMQ', () => {
  it('give the client what it needs, with its own defaults', () => {
    expect(new Addresses(['amqp://one'], 10_000).target).toMatchObject({
      ...{ protocol: 'amqp', hostname: 'one', port: 5672, username: 'guest', password: 'guest', vhost: '' },
      ...{ heartbeat: 10, channelMax: 0, frameMax: 131_072, locale: 'en_US' },
    })
    expect(
      new Addresses(['amqps://me:p%40ss@[::1]:5000/a%2Fb?heartbeat=3&frameMax=8192'], 10_000).target,
    ).toMatchObject({
      ...{ protocol: 'amqps', hostname: '::1', port: 5000, username: 'me', password: 'p@ss', vhost: 'a%2Fb' },
      ...{ heartbeat: 3, frameMax: 8_192 },
    })
    expect(new Addresses(['amqps://one'], 10_000).target.port).toBe(5671)
  })

  it('follow each other, the last by the first, and the client sees it', () => {
    const addresses = new Addresses(['amqp://me:secret@one:1000/shop', 'amqp://two'], 10_000)
    const { target } = addresses
    addresses.turn()
    expect(target).toMatchObject({ hostname: 'two', port: 5672, username: 'guest', password: 'guest', vhost: '' })
    expect(addresses.current.host).toBe('two')
    addresses.turn()
    expect(target).toMatchObject({ hostname: 'one', port: 1000, username: 'me', password: 'secret', vhost: 'shop' })
  })

  it('show no password of any of them', () => {
    const addresses = new Addresses(['amqp://me:first%40@one', 'amqp://me:sec%ond@two'], 10_000)
    expect(addresses.withoutSecrets('first%40, first@ and sec%ond are wrong')).toBe('***, *** and *** are wrong')
  })

  it('are refused where there is none, or one of something else', () => {
    expect(() => new Addresses([], 10_000)).toThrow('rabbitmq: there is no address')
    expect(() => new Addresses(['amqp://one', 'nats://two'], 10_000)).toThrow('begins with nats://')
    expect(() => new Addresses(['one:5672'], 10_000)).toThrow('it must be amqp:// or amqps://')
  })
})
