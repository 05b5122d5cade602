-- Counts of minutes, and of what waits now. Nothing here reads events or deliveries row by row.

-- name: sum_counters
select metric, outcome, sum(count) from counters
where minute >= :since and minute < :until
  and (:source is null or source = :source) and (:destination is null or destination = :destination)
group by metric, outcome having sum(count) <> 0 order by metric, outcome

-- name: counters_by_source
select source, metric, outcome, sum(count) from counters
where minute >= :since and minute < :until and metric in ('requests', 'events')
group by source, metric, outcome having sum(count) <> 0 order by source, metric, outcome

-- name: counters_by_destination
select destination, metric, outcome, sum(count) from counters
where minute >= :since and minute < :until and metric = 'attempts'
group by destination, metric, outcome having sum(count) <> 0 order by destination, metric, outcome

-- name: counter_series
select :since + (minute - :since) / :step * :step as first, outcome, sum(count) from counters
where minute >= :since and minute < :until and metric = :metric
  and (:source is null or source = :source) and (:destination is null or destination = :destination)
group by first, outcome order by first, outcome

-- name: sum_histograms
select metric, bucket, sum(count) from histograms
where minute >= :since and minute < :until
  and (:source is null or source = :source) and (:destination is null or destination = :destination)
group by metric, bucket order by metric, bucket

-- name: histogram_series
select :since + (minute - :since) / :step * :step as first, bucket, sum(count) from histograms
where minute >= :since and minute < :until and metric = :metric
  and (:source is null or source = :source) and (:destination is null or destination = :destination)
group by first, bucket order by first, bucket

-- name: delivery_counts
select destination, state, sum(count) from delivery_counts group by destination, state having sum(count) <> 0

-- name: destination_rows
select name, state, reason, changed_at from destinations

-- name: latest_of_source
select received_at from events where source = :source order by id desc limit 1

-- Roll-ups of long ago: a step becomes its first minute, and all writers one. The sums stay what they are.

-- name: next_minute
select min(minute) from (
  select min(minute) as minute from counters where minute >= :since and minute < :before
  union all select min(minute) from histograms where minute >= :since and minute < :before
)

-- name: counters_of_step
select metric, source, destination, outcome, sum(count) from counters
where minute >= :first and minute < :first + :step group by metric, source, destination, outcome

-- name: drop_counters_of_step
delete from counters where minute >= :first and minute < :first + :step

-- name: histograms_of_step
select metric, source, destination, bucket, sum(count) from histograms
where minute >= :first and minute < :first + :step group by metric, source, destination, bucket

-- name: drop_histograms_of_step
delete from histograms where minute >= :first and minute < :first + :step

-- name: writers_of_delivery_counts
select count(distinct writer) from delivery_counts

-- name: drop_delivery_counts
delete from delivery_counts
