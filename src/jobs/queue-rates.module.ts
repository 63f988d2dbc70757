import { Module } from '@nestjs/common';
import { LeadershipModule } from '../leadership/leadership.module.js';
import { QueueRates } from './queue-rates.js';
import { QueueRatesRepository } from './queue-rates.repository.js';
import { QueueRatesService } from './queue-rates.service.js';

/** One counter for all that submit and end jobs: submits, reports, people and duties. */
@Module({
  imports: [LeadershipModule],
  providers: [QueueRates, QueueRatesRepository, QueueRatesService],
  exports: [QueueRates],
})
export class QueueRatesModule {}
