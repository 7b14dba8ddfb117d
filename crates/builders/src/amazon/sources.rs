//! What many builds of a run ask alike: the image to start from. EC2 is asked once for all that ask within a minute.

use super::ec2::{Ec2, Ec2Result};
use super::types::{Image, ImageQuery};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::time::Instant;

/// How long an answer holds: builds that begin later may find a newer image.
const FRESH: Duration = Duration::from_secs(60);

/// The answers of a run.
#[derive(Default)]
pub struct Sources(Mutex<Vec<Asked>>);

struct Asked {
    ec2: Arc<dyn Ec2>,
    query: ImageQuery,
    begun: Instant,
    answer: Arc<OnceCell<Vec<Image>>>,
}

impl Sources {
    /// DescribeImages, or what it has just told another build. Failures are nobody else's.
    pub async fn images(&self, ec2: &Arc<dyn Ec2>, query: ImageQuery) -> Ec2Result<Vec<Image>> {
        let answer = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.retain(|asked| asked.begun.elapsed() < FRESH);
            match all.iter().find(|asked| Arc::ptr_eq(&asked.ec2, ec2) && asked.query == query) {
                Some(asked) => Arc::clone(&asked.answer),
                None => {
                    let answer = Arc::default();
                    let (ec2, query, answer) = (Arc::clone(ec2), query.clone(), Arc::clone(&answer));
                    all.push(Asked { ec2, query, begun: Instant::now(), answer: Arc::clone(&answer) });
                    answer
                }
            }
        };
        answer.get_or_try_init(|| ec2.images(query)).await.cloned()
    }
}
