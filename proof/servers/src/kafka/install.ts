import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../commands.ts'
import { makeWhole, type Report } from '../make-whole.ts'
import { installed } from '../cache.ts'

export const kafkaVersion = '4.4.0'

/** The folder's name in the cache. */
export const kafkaName: string = `kafka-${kafkaVersion}`

const project = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>dev.acuse</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>${kafkaVersion}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-simple</artifactId>
      <version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
`

/** Gets Kafka and what it needs by Maven, unless it is there. */
export async function installKafka(report: Report): Promise<void> {
  await makeWhole(kafkaName, report, async (folder, timeoutMs) => {
    report('downloads')
    await writeFile(join(folder, 'pom.xml'), project)
    // A repository of its own, so that Maven leaves nothing elsewhere.
    const repository = join(folder, 'repository')
    const settings = [`-Dmaven.repo.local=${repository}`, `-DoutputDirectory=${folder}`]
    await run(['mvn', '--batch-mode', 'dependency:copy-dependencies', ...settings], { timeoutMs, cwd: folder })
    await rm(repository, { recursive: true })
  })
}

/**
 * The folder with Kafka's jars.
 *
 * @throws Error when it is not installed.
 */
export function kafkaFolder(): string {
  return installed(kafkaName, `Kafka ${kafkaVersion}`)
}
