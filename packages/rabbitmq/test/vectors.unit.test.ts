import { testWire } from '../../../test/vectors/suite.ts'
import { heldOf, messageOf } from './held.ts'

testWire('rabbitmq', {
  held: heldOf,
  messageOf,
  ofOthers: (held) => {
    const theirs = Object.entries(held.headers).filter(([name]) => !name.startsWith('acuse-'))
    return { ...held, properties: { contentType: 'application/json' }, headers: Object.fromEntries(theirs) }
  },
})
