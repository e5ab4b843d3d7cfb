// Starts an attended service and stays: to be killed, so that the service is left alone.
import { attended } from '../../src/processes/program.ts'
import { ServiceProcess } from '../../src/processes/service-process.ts'

const [, , program = '', port = '', log = ''] = process.argv
const service = new ServiceProcess({
  name: 'tiny',
  program: ['--conditions=@acuse/source', ...attended(), program],
  env: {},
  port: Number(port),
  log,
})
await service.start()
process.stdout.write(`${service.pid}\n`)
