-- Counts are added under the writer's own number, so that writers never meet in a row.

-- name: add_counters
insert into counters (minute, metric, source, destination, outcome, writer, count) values (?, ?, ?, ?, ?, ?, ?)
on conflict (minute, metric, source, destination, outcome, writer) do update set count = count + excluded.count

-- name: add_histograms
insert into histograms (minute, metric, source, destination, bucket, writer, count) values (?, ?, ?, ?, ?, ?, ?)
on conflict (minute, metric, source, destination, bucket, writer) do update set count = count + excluded.count

-- name: add_delivery_counts
insert into delivery_counts (destination, state, writer, count) values (?, ?, ?, ?)
on conflict (destination, state, writer) do update set count = count + excluded.count
