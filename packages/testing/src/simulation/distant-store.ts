import type { Store, StoreFactory } from '@acuse/core'
import type { MemoryDatabase } from '../memory-database.ts'
import type { MemoryTx } from '../memory-transaction.ts'
import { distantTransport } from './distant-transport.ts'
import type { Link } from './link.ts'

/** A store behind a network: its calls take time, its transactions end with their connection, and the answer to a COMMIT may be lost. */
export function distantStore(
  open: StoreFactory<MemoryTx>,
  link: Link,
  database: MemoryDatabase,
): StoreFactory<MemoryTx> {
  return async (context) => {
    const store = await link.call('open', () => open({ ...context, instance: link.process.instance }))
    const connections = new Connections(store, link)
    const { inbox, parked, deadLetters, history, sagas, schedule } = store
    const within = connections.within.bind(connections)
    return {
      name: store.name,
      log: distantTransport(store.log, link, {
        onError: context.onError,
        crash: (subscription) => database.crash(subscription),
      }),
      transaction: (work) => connections.transaction(work),
      isTransaction: (candidate): candidate is MemoryTx =>
        store.isTransaction(candidate) && connections.isConnected(candidate),
      append: (tx, messages) => within(tx, 'append', () => store.append(tx, messages)),
      classify: (error) => store.classify(error),
      abort: (tx) => store.abort(tx),
      inbox: {
        accept: (tx, group, items) => within(tx, 'accept', () => inbox.accept(tx, group, items)),
        purge: (olderThanMs, limit) => link.call('purge', () => inbox.purge(olderThanMs, limit)),
      },
      parked: {
        park: (tx, group, request) => within(tx, 'park', () => parked.park(tx, group, request)),
        parkBehind: (tx, group, message, limit) =>
          within(tx, 'parkBehind', () => parked.parkBehind(tx, group, message, limit)),
        claim: (group, request) => link.call('claim', () => parked.claim(group, request)),
        extend: (group, claims, leaseMs) => link.call('extend', () => parked.extend(group, claims, leaseMs)),
        complete: (tx, group, claim) => within(tx, 'complete', () => parked.complete(tx, group, claim)),
        reschedule: (tx, group, claim, outcome) =>
          within(tx, 'reschedule', () => parked.reschedule(tx, group, claim, outcome)),
        bury: (tx, group, claim, death, block) => within(tx, 'bury', () => parked.bury(tx, group, claim, death, block)),
        remove: (tx, group, messageId) => within(tx, 'remove', () => parked.remove(tx, group, messageId)),
        counts: (group) => link.call('counts', () => parked.counts(group)),
      },
      deadLetters: {
        bury: (tx, group, message, death, options) =>
          within(tx, 'bury', () => deadLetters.bury(tx, group, message, death, options)),
        list: (filter) => link.call('list', () => deadLetters.list(filter)),
        replay: (filter, options) => link.call('replay', () => deadLetters.replay(filter, options)),
        discard: (filter) => link.call('discard', () => deadLetters.discard(filter)),
      },
      history: {
        heldSince: () => link.call('heldSince', () => history.heldSince()),
        count: (group, range) => link.call('count', () => history.count(group, range)),
        begin: (range) => link.call('begin', () => history.begin(range)),
        take: (group, range, position, options) =>
          link.call('take', () => history.take(group, range, position, options)),
      },
      sagas: {
        load: (tx, saga, id) => within(tx, 'load', () => sagas.load(tx, saga, id)),
        save: (tx, saga, id, record) => within(tx, 'save', () => sagas.save(tx, saga, id, record)),
      },
      schedule: {
        add: (tx, message, due) => within(tx, 'schedule', () => schedule.add(tx, message, due)),
        cancel: (tx, messageId) => within(tx, 'cancel', () => schedule.cancel(tx, messageId)),
        dispatch: (limit) => link.call('dispatch', () => schedule.dispatch(limit)),
        now: () => link.call('now', () => schedule.now()),
        registerCron: (name, expression, firstAt) =>
          link.call('registerCron', () => schedule.registerCron(name, expression, firstAt)),
        runCron: (name, fire) => link.call('runCron', () => schedule.runCron(name, fire)),
      },
      [Symbol.asyncDispose]: async () => {
        // A connection that is gone is closed.
        await link.call('close', async () => store[Symbol.asyncDispose]()).catch(() => undefined)
      },
    }
  }
}

/** The transactions a process has open, each on a connection of its own. */
class Connections {
  readonly #store: Store<MemoryTx>
  readonly #link: Link
  readonly #epochs = new WeakMap<MemoryTx, number>()
  /** What the server does about a transaction whose client it takes for gone. */
  readonly #open = new Set<() => void>()

  constructor(store: Store<MemoryTx>, link: Link) {
    this.#store = store
    this.#link = link
    // The client knows at once that its connection is gone; the server holds what it has locked until it notices.
    link.onCut(() => {
      for (const drop of this.#open) link.timeline.after(link.noticeMs(), drop)
    })
    link.process.whenCrashed(() => {
      for (const drop of this.#open) link.timeline.after(link.noticeMs(), drop)
    })
  }

  isConnected(tx: MemoryTx): boolean {
    return this.#epochs.get(tx) === this.#link.epoch
  }

  /** A statement in the caller's transaction. */
  within<R>(tx: MemoryTx, name: string, work: () => Promise<R>): Promise<R> {
    if (this.#epochs.has(tx) && !this.isConnected(tx)) return Promise.reject(this.#link.lostError())
    return this.#link.call(name, work)
  }

  transaction<R>(work: (tx: MemoryTx) => Promise<R>): Promise<R> {
    const link = this.#link
    return new Promise<R>((resolve, reject) => {
      const lost = (): void => reject(link.lostError())
      const begin = (): void => {
        this.#atServer(work, reject, lost).then(
          (result) => link.answer(() => resolve(result), lost),
          (error: unknown) =>
            link.answer(
              () => reject(error),
              () => reject(error),
            ),
        )
      }
      link.request('begin', begin, lost)
    })
  }

  /** The server's side: holds the transaction open until the client's COMMIT or ROLLBACK arrives, or the client is taken for gone. */
  #atServer<R>(work: (tx: MemoryTx) => Promise<R>, failed: (error: unknown) => void, lost: () => void): Promise<R> {
    const link = this.#link
    let drop: () => void = () => undefined
    const ended = this.#store.transaction((tx) => {
      this.#epochs.set(tx, link.epoch)
      return new Promise<R>((commit, rollBack) => {
        drop = () => {
          this.#store.abort(tx)
          rollBack(link.lostError())
        }
        this.#open.add(drop)
        // What the client threw reaches its caller, even if the ROLLBACK is lost.
        const failAndRollBack = (error: unknown): void =>
          link.request(
            'rollback',
            () => rollBack(error),
            () => failed(error),
          )
        link.answer(() => {
          work(tx).then((result) => link.request('commit', () => commit(result), lost), failAndRollBack)
        }, lost)
      })
    })
    return ended.finally(() => this.#open.delete(drop))
  }
}
