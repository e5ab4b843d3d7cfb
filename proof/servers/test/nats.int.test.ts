import { startNats, type NatsRelease } from '../src/nats/server.ts'
import { testServer } from './contract.ts'
import { askNats } from './nats-request.ts'
import { assertContains } from './support.ts'

const releases: readonly NatsRelease[] = ['2.9', '2.10', '2.15']

for (const release of releases) {
  testServer({
    name: 'NATS',
    release,
    start: async (parent) => await startNats({ release, parent }),
    store: async ({ port }) => {
      const stream = { name: 'kept', subjects: ['kept'], storage: 'file' }
      assertContains(await askNats(port, '$JS.API.STREAM.CREATE.kept', stream), '"did_create":true')
      assertContains(await askNats(port, 'kept', {}), '"seq":1')
    },
    holds: async ({ port }) => (await askNats(port, '$JS.API.STREAM.INFO.kept', {})).includes('"messages":1'),
    startWrongly: async (parent) => await startNats({ release, parent, lines: ['no_such_setting: 1'] }),
    complaint: /NATS .* ended while it started\. Its log ends:[^]*no_such_setting/,
  })
}
